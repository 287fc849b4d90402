"""The pools of CPython's allocator (Objects/obmalloc.c), from 3.7 on on 64-bit hosts, by their headers."""

import struct
from dataclasses import dataclass
from typing import Final

from orchestrator.binary.core.corefile import Core

_HEADER: Final = struct.Struct("<I4xQQQIIII")
"""Blocks in use, first free block, next and previous pool, arena, size class, next and last unused offset."""
_FREE: Final = 8
"""Where a header has the first free block."""
_ALIGNMENT: Final = 16
_CLASSES: Final = 32
_SIZES: Final = (1 << 12, 1 << 14)
"""Of a pool; the second since 3.10."""


@dataclass(frozen=True, kw_only=True)
class Pool:
    """A pool by its address, and the size of its blocks in bytes."""

    start: int
    block: int


def pool_of(core: Core, place: int) -> Pool | None:
    """The pool whose list of free blocks begins at the word at `place`; None where it is no such word."""
    start = place - _FREE
    raw = core.read(start, _HEADER.size)
    if start % _SIZES[0] or len(raw) < _HEADER.size:
        return None
    *_, kind, following, last = _HEADER.unpack(raw)
    block = (kind + 1) * _ALIGNMENT
    fits = kind < _CLASSES and last + block in _SIZES and _HEADER.size <= following <= last + block
    return Pool(start=start, block=block) if fits else None
