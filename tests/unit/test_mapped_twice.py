"""Where a file was loaded that the process also mapped as data, as who names frames by it does."""

import struct
from dataclasses import dataclass
from typing import ClassVar

import pytest

from orchestrator.binary.core.corefile import Core, parse_core
from orchestrator.binary.core.modules import MappedModule, find_modules
from orchestrator.binary.core.notes import MappedRange

PATH = b"/lib/libfoo.so"
READ, RUN = 4, 5
"""Flags of a segment: PF_R, and that with PF_X."""
PHDR = struct.Struct("<IIQQQQQQ")
EHDR = struct.Struct("<16sHHIQQQIHHHHHH")
NT_FILE = 0x46494C45
DATA_AT, LOADED_AT = 0x7F0000000000, 0x7F0000100000


@dataclass(frozen=True)
class Mapped:
    """A mapping of the file, and the memory of it that the core holds."""

    start: int
    end: int
    offset: int
    flags: int
    memory: bytes = b""


def elf_header(kind: int, count: int) -> bytes:
    ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    return EHDR.pack(ident, kind, 62, 1, 0, EHDR.size, 0, 0, EHDR.size, PHDR.size, count, 0, 0, 0)


def library(code_at: int, code_offset: int) -> bytes:
    """The first page of a library with one segment of code behind one of constants."""
    constants = PHDR.pack(1, READ, 0, 0, 0, 0x400, 0x400, 0x1000)
    code = PHDR.pack(1, RUN, code_offset, code_at, code_at, 0x100, 0x100, 0x1000)
    return (elf_header(3, 2) + constants + code).ljust(0x1000, b"\0")


def loaded(head: bytes, start: int = LOADED_AT) -> list[Mapped]:
    """The mappings of a library as the usual linker makes them."""
    return [
        Mapped(start, start + 0x1000, 0, READ, head),
        Mapped(start + 0x1000, start + 0x2000, 0x1000, RUN),
    ]


def whole(start: int, head: bytes) -> Mapped:
    """The whole file as data."""
    return Mapped(start, start + 0x4000, 0, READ, head)


def core_of(mappings: list[Mapped]) -> Core:
    entries = b"".join(struct.pack("<QQQ", item.start, item.end, item.offset // 4096) for item in mappings)
    files = struct.pack("<QQ", len(mappings), 4096) + entries + (PATH + b"\0") * len(mappings)
    note = struct.pack("<III", 5, len(files), NT_FILE) + b"CORE\0\0\0\0" + files
    place = EHDR.size + PHDR.size * (1 + len(mappings))
    table, memory = PHDR.pack(4, 4, place, 0, 0, len(note), 0, 4), note
    for item in mappings:
        at, size = place + len(memory), item.end - item.start
        table += PHDR.pack(1, item.flags, at, item.start, 0, len(item.memory), size, 4096)
        memory += item.memory
    return parse_core(elf_header(4, 1 + len(mappings)) + table + memory)


def module_of(mappings: list[Mapped]) -> MappedModule:
    (module,) = core_of(mappings).modules
    return module


@pytest.mark.parametrize("other", [DATA_AT, LOADED_AT - 0x4000, LOADED_AT + 0x2000])
def test_a_file_that_was_also_mapped_as_data_is_where_its_code_runs(other: int) -> None:
    head = library(0x1000, 0x1000)
    mappings = sorted([whole(other, head), *loaded(head)], key=lambda item: item.start)
    assert module_of(mappings).base == LOADED_AT


def test_what_was_only_mapped_as_data_is_known_too() -> None:
    assert module_of([whole(DATA_AT, library(0x1000, 0x1000))]).base == DATA_AT


def test_a_small_file_whose_first_page_is_mapped_for_each_segment_starts_at_the_first() -> None:
    """lld and mold put a small library's segments into one page of the file, and map it once for each."""
    head = library(0x1400, 0x400)
    mappings = [
        Mapped(LOADED_AT, LOADED_AT + 0x1000, 0, READ, head),
        Mapped(LOADED_AT + 0x1000, LOADED_AT + 0x2000, 0, RUN, head),
    ]
    assert module_of(mappings).base == LOADED_AT
    assert module_of([whole(DATA_AT, head), *mappings]).base == LOADED_AT


def test_a_file_that_was_loaded_twice_is_two_modules() -> None:
    """dlmopen(3) does so."""
    head, again = library(0x1000, 0x1000), LOADED_AT + 0x10000
    core = core_of([whole(DATA_AT, head), *loaded(head), *loaded(head, again)])
    assert [(item.base, item.end) for item in core.modules] == [
        (start, start + 0x2000) for start in (LOADED_AT, again)
    ]
    first, second = core.modules
    assert core.module_at(LOADED_AT + 0x1234) == first
    assert core.module_at(again + 0x1234) == second
    assert core.module_at(DATA_AT + 0x1234) is None


class WatchedRange(MappedRange):
    """Counts how often the starts of all ranges are looked at."""

    looks: ClassVar[int] = 0

    def __getattribute__(self, name: str) -> object:
        WatchedRange.looks += name == "start"
        return super().__getattribute__(name)


def test_a_file_that_a_forged_core_has_loaded_500_times_takes_some_steps_for_each() -> None:
    """And not some for each pair of them: a core's list of files is as long as its maker likes."""
    head, count = library(0x1000, 0x1000), 500
    core = core_of([part for number in range(count) for part in loaded(head, LOADED_AT + number * 0x2000)])
    files = [
        WatchedRange(start=item.start, end=item.end, offset=item.offset, path=item.path)
        for item in core.files
    ]
    WatchedRange.looks = 0
    assert len(find_modules(files, core)) == count
    assert WatchedRange.looks < 100 * count
