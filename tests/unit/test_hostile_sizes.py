"""Cores and programs that claim to have a million of something: read in bounded time, and said."""

import struct
import time
from pathlib import Path

from orchestrator.binary.core.corefile import MAX_SEGMENTS, open_core, parse_core
from orchestrator.binary.core.unpack import plain_core
from orchestrator.binary.dwarf.cfi import CallFrames
from orchestrator.binary.elf.objectfile import ObjectFile
from orchestrator.crash import read_crash
from orchestrator.crash.stacks.elf import backend as elf_backend
from orchestrator.model import Sysroot

DATA = Path(__file__).parents[1] / "data/cores"
MILLION = 1_000_000
SECONDS = 20.0
"""On a loaded machine; each takes under two on an idle one."""
PHDR = struct.Struct("<IIQQQQQQ")
PT_LOAD, PT_NOTE = 1, 4


def many_headers(kind: int, number: int) -> bytes:
    """A core with so many program headers that all speak of the same pages of memory, or the same notes."""
    with plain_core(DATA / "tiny.core.zst") as plain:
        raw = plain.read_bytes()
    offset: int = struct.unpack_from("<Q", raw, 32)[0]
    count: int = struct.unpack_from("<H", raw, 56)[0]
    headers = list(PHDR.iter_unpack(raw[offset : offset + count * PHDR.size]))
    more = next(header for header in headers if header[0] == kind)
    section = bytearray(64)
    struct.pack_into("<I", section, 44, number)  # the real number of headers, where it does not fit (elf(5))
    head = bytearray(raw[:64])
    struct.pack_into("<Q", head, 32, len(raw) + len(section))
    struct.pack_into("<Q", head, 40, len(raw))
    struct.pack_into("<H", head, 56, 0xFFFF)
    table = b"".join(PHDR.pack(*header) for header in headers) + PHDR.pack(*more) * (number - count)
    return bytes(head) + raw[64:] + bytes(section) + table


def test_a_million_program_headers_are_bounded(tmp_path: Path) -> None:
    (tmp_path / "core").write_bytes(many_headers(PT_LOAD, MILLION))
    begin = time.process_time()
    with open_core(tmp_path / "core") as core:
        crash = read_crash(tmp_path / "core", core, Sysroot(path=str(tmp_path)), ["elf"])
    assert time.process_time() - begin < SECONDS
    assert len(core.segments) == MAX_SEGMENTS
    assert any(f"only {MAX_SEGMENTS} of {MILLION} program headers" in line for line in crash.warnings)
    assert crash.signal.number


def test_notes_are_read_up_to_a_limit_whatever_the_headers_say() -> None:
    core = parse_core(many_headers(PT_NOTE, 2 * MAX_SEGMENTS))
    assert len({thread.tid for thread in core.threads}) == 1


WHERE_IT_IS = b"\x0c\x07\x00"
"""DW_CFA_def_cfa rsp, 0: the caller's frame is where this one is."""
INSTRUCTIONS = 17
"""Bytes of an entry before its program: length, CIE, first address, range, and no augmentation data."""


def test_call_frames_that_lead_in_circles_end(tmp_path: Path) -> None:
    (tmp_path / "faults").mkdir()
    program = bytearray((DATA / "tiny").read_bytes())
    (tmp_path / "faults/tiny").write_bytes(program)
    with plain_core(DATA / "tiny.core.zst") as plain, open_core(plain) as core:
        (thread,) = elf_backend.read_stacks(plain, core, tmp_path).threads
        whole = len(thread.frames)
        pc = next(frame.pc for frame in thread.frames if frame.function == "descend")
        source = ObjectFile(bytes(program))
        place = CallFrames(source)._find(pc)
        assert place is not None
        load = next(load for load in source.loads if load.start <= place < load.start + load.stored)
        begin = place - load.start + load.offset
        size = int.from_bytes(program[begin : begin + 4], "little") + 4 - INSTRUCTIONS
        written = WHERE_IT_IS.ljust(size, b"\x00")
        program[begin + INSTRUCTIONS : begin + INSTRUCTIONS + size] = written
        (tmp_path / "faults/tiny").write_bytes(program)
        reading = elf_backend.read_stacks(plain, core, tmp_path)
    assert any("does not lie above it" in line for line in reading.warnings), reading.warnings
    assert len(reading.threads[0].frames) < whole
