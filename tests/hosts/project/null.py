"""Reads a string at address 0: libc's strlen faults."""

import ctypes

ctypes.string_at(0)
