"""Core and sysroot to a crash: signal, frames of all threads, registers, modules, signature."""

__lazy_modules__ = ("orchestrator.crash.reader", "orchestrator.crash.stacks.cache")

from orchestrator.crash.reader import CacheContext, prepare, read_crash
from orchestrator.crash.stacks.cache import StackCache

__all__ = ["CacheContext", "StackCache", "prepare", "read_crash"]
