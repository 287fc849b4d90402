"""The ELF files that a process had loaded, and where: by its mapped files and the pages in the core."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from orchestrator.binary.core.notes import MappedRange
from orchestrator.binary.elf.headers import PAGE, is_elf
from orchestrator.binary.elf.notes import build_id_of, code_of, first_address


@dataclass(frozen=True, kw_only=True)
class MappedModule:
    """A mapped ELF file: load address, end of its last mapping, and build id by the page in the core.

    A file that was loaded more than once has a module for each copy: dlmopen(3) loads it into each namespace.
    """

    path: str
    base: int
    end: int
    build_id: str | None


class Memory(Protocol):
    """The memory of a process as far as its core holds it."""

    def read(self, address: int, size: int) -> bytes:
        """Memory at the time of the dump; shorter than `size` where the core does not hold it."""

    def is_code(self, address: int) -> bool:
        """Whether an address lay in an executable mapping."""


def find_modules(files: Iterable[MappedRange], memory: Memory) -> tuple[MappedModule, ...]:
    """The ELF files in order of first mapping; other mapped files (locales, data) are left out."""
    by_path: dict[str, list[MappedRange]] = {}
    for item in files:
        by_path.setdefault(item.path, []).append(item)
    return tuple(module for ranges in by_path.values() for module in _modules(ranges, memory))


def _modules(ranges: list[MappedRange], memory: Memory) -> list[MappedModule]:
    """The modules of one file, by its mappings.

    A mapping whose code lies where the file's headers put it was loaded; any other was only mapped as data:
    libbacktrace and Rust's std map whole files to name frames, mostly below the loaded copy. A file that has
    no mapping known to be loaded counts as loaded at its first one.
    """
    ranges = sorted(ranges, key=lambda item: item.start)
    has_code = any(memory.is_code(item.start) for item in ranges)
    heads = [item for item in ranges if item.offset == 0 and _is_elf(item, memory, has_code=has_code)]
    loaded = {item.start for item in heads if _is_loaded(item, ranges, memory)}
    starts = loaded or {item.start for item in heads[:1]}
    found: list[MappedModule] = []
    for item in ranges:
        if item.start in starts:
            build_id = _build_id(item.start, memory)
            found.append(MappedModule(path=item.path, base=item.start, end=item.end, build_id=build_id))
        elif found:
            found[-1] = replace(found[-1], end=max(found[-1].end, item.end))
    return found


def _build_id(base: int, memory: Memory) -> str | None:
    """The build id of the file that is loaded at `base`, as far as the core holds its notes."""
    head = memory.read(base, PAGE)
    bias = base - first_address(head)
    return build_id_of(head, lambda segment: memory.read(segment.start + bias, segment.stored))


def _is_elf(item: MappedRange, memory: Memory, *, has_code: bool) -> bool:
    """By the header page; where the core does not hold that, a file with an executable mapping is ELF."""
    head = memory.read(item.start, 4)
    return is_elf(head) if head else has_code


def _is_loaded(item: MappedRange, ranges: list[MappedRange], memory: Memory) -> bool:
    code = code_of(memory.read(item.start, PAGE))
    if code is None or not memory.is_code(place := item.start + code):
        return False
    last = bisect_right(ranges, place, key=lambda other: other.start) - 1
    return last >= 0 and place < ranges[last].end
