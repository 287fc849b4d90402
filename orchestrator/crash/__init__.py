"""Core and sysroot to a crash: signal, frames of all threads, registers, modules, signature."""

from orchestrator.crash.reader import CacheContext, read_crash
from orchestrator.crash.stacks.cache import StackCache
from orchestrator.crash.stacks.registry import BACKENDS

__all__ = ["BACKENDS", "CacheContext", "StackCache", "read_crash"]
