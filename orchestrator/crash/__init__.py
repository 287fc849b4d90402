"""Core and sysroot to a crash: signal, frames of all threads, registers, modules, signature."""

from orchestrator.crash.reader import read_crash

__all__ = ["read_crash"]
