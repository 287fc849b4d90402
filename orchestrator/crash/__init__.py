"""Core and sysroot to a crash: signal, frames of all threads, registers, modules, signature."""

from orchestrator.crash.reader import CacheContext, read_crash
from orchestrator.crash.stacks.cache import StackCache

__all__ = ["CacheContext", "StackCache", "read_crash"]
