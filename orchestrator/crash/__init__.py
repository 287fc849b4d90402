"""Core and sysroot to a crash: signal, frames of all threads, registers, modules, signature."""

from orchestrator.crash.known import KnownStacks
from orchestrator.crash.reader import BACKENDS, Remembered, read_crash

__all__ = ["BACKENDS", "KnownStacks", "Remembered", "read_crash"]
