"""Core and sysroot to a crash: signal, frames of all threads, registers, modules, signature."""

from orchestrator.crash.reader import BACKENDS, read_crash

__all__ = ["BACKENDS", "read_crash"]
