"""`.debug_line`: from addresses to files and lines. With tools.elf the only module that knows pyelftools.

Only the compilation units that hold a wanted address are read, found by `.debug_aranges`; without that
section there are no lines. The files are untrusted, and reading a line program takes as long as it is:
sections and programs that are larger than any real one are left out.
"""

import io
import struct
import time
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from elftools.common.exceptions import DWARFError, ELFError
from elftools.common.utils import bytes2str
from elftools.dwarf.compileunit import CompileUnit
from elftools.dwarf.dwarfinfo import DebugSectionDescriptor, DwarfConfig, DWARFInfo
from elftools.dwarf.lineprogram import LineProgram

from orchestrator.tools.expression import ExpressionError, leb128
from orchestrator.tools.objectfile import ObjectFile

MAX_PROGRAM: Final = 512 << 10
"""Bytes of a line program that is run; that of CPython's ceval.c has 100 kB."""
MAX_UNITS: Final = 64
"""Compilation units of an object that are read."""
_COMPRESSED: Final = 0x800
"""SHF_COMPRESSED; the section begins with Elf64_Chdr: type, reserved, size, alignment."""
_CHDR: Final = struct.Struct("<IIQQ")
_ZLIB: Final = 1
_LIMITS: Final = {
    "info": 64 << 20, "abbrev": 4 << 20, "str": 32 << 20, "line": 32 << 20, "line_str": 4 << 20,
    "aranges": 4 << 20, "addr": 4 << 20, "str_offsets": 4 << 20,
}  # fmt: skip
"""The sections that lines take, and how many bytes of each are read; libpython's .debug_info has 11 MB."""
MAX_FILES: Final = 1 << 14
_V5_FIXED: Final = 4 + 2 + 1 + 1 + 4 + 5
"""Bytes of a DWARF 5 line table's header before opcode_base (DWARF 5, 6.2.4)."""
_FORM_STRING, _FORM_UDATA = 0x08, 0x0F
_FORM_SIZES: Final = {0x0B: 1, 0x05: 2, 0x06: 4, 0x07: 8, 0x1E: 16, 0x1F: 4, 0x0E: 4}
"""DW_FORM_data1, 2, 4, 8, 16, line_strp and strp."""
_DAMAGE: Final = (
    ELFError, DWARFError, struct.error, ValueError, KeyError, IndexError, TypeError, AttributeError,
    AssertionError, ArithmeticError, RuntimeError, zlib.error, ExpressionError,
)  # fmt: skip
"""What pyelftools lets out of damaged sections, besides its own errors."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """A place in a source file, by the name that the compiler was given."""

    file: str
    line: int


def find_lines(source: ObjectFile, addresses: Collection[int], deadline: float) -> dict[int, Line]:
    """The lines of addresses as linked, of those that the debug information knows.

    No further unit is read after the deadline, which is one of time.monotonic().
    """
    found: dict[int, Line] = {}
    try:
        for program, wanted in _programs(source, addresses, deadline):
            found |= _run(program, wanted)
    except _DAMAGE:
        return found  # What was found before the damage stays: each row stands for itself.
    return found


def _programs(
    source: ObjectFile, addresses: Collection[int], deadline: float
) -> Iterator[tuple[LineProgram, list[int]]]:
    """The line programs of the units that hold wanted addresses."""
    dwarf = _dwarf(source)
    ranges = dwarf.get_aranges() if dwarf else None
    if dwarf is None or ranges is None:
        return
    units: dict[int, list[int]] = {}
    for address in sorted(addresses):
        place = ranges.cu_offset_at_addr(address)
        if place is not None:
            units.setdefault(place, []).append(address)
    for place, wanted in list(units.items())[:MAX_UNITS]:
        unit: CompileUnit = dwarf.get_CU_at(place)
        table = unit.get_top_DIE().attributes.get("DW_AT_stmt_list")
        if table is None or dwarf.debug_line_sec is None or time.monotonic() > deadline:
            continue
        stream = dwarf.debug_line_sec.stream
        stream.seek(table.value)
        if _is_bounded(stream.read(MAX_PROGRAM), 0):
            program = dwarf.line_program_for_CU(unit)
            if program is not None:
                yield program, wanted


def _run(program: LineProgram, wanted: list[int]) -> dict[int, Line]:
    """Which row of a line program covers each address: the last one before it, unless a sequence ended."""
    found: dict[int, Line] = {}
    row = None
    for entry in program.get_entries():
        state = entry.state
        if state is None:
            continue
        if row is not None and row.address < state.address:
            for address in wanted:
                if row.address <= address < state.address and row.line:
                    found[address] = Line(file=_file(program, row.file), line=row.line)
        row = None if state.end_sequence else state
    return found


def _file(program: LineProgram, number: int) -> str:
    """A file's name with its folder; numbers count from 0 since DWARF 5, before from 1."""
    header = program.header
    modern = header["version"] >= 5
    entry = header["file_entry"][number if modern else number - 1]
    folders = header["include_directory"]
    name, index = bytes2str(entry.name), entry.dir_index
    if name.startswith("/") or index == 0:
        return str(name)
    folder = bytes2str(folders[index if modern else index - 1])
    return f"{folder}/{name}"


def _dwarf(source: ObjectFile) -> DWARFInfo | None:
    """The sections that lines take, and no others: .debug_info alone can have hundreds of MB."""
    held = {name: _section(source, f".debug_{name}", limit) for name, limit in _LIMITS.items()}
    if not (held["line"] and held["info"] and held["aranges"]):
        return None
    return DWARFInfo(
        config=DwarfConfig(little_endian=True, machine_arch="x64", default_address_size=8),
        debug_info_sec=held["info"], debug_aranges_sec=held["aranges"], debug_abbrev_sec=held["abbrev"],
        debug_frame_sec=None, eh_frame_sec=None, debug_str_sec=held["str"], debug_loc_sec=None,
        debug_ranges_sec=None, debug_line_sec=held["line"], debug_pubtypes_sec=None,
        debug_pubnames_sec=None, debug_addr_sec=held["addr"], debug_str_offsets_sec=held["str_offsets"],
        debug_line_str_sec=held["line_str"], debug_loclists_sec=None, debug_rnglists_sec=None,
        debug_sup_sec=None, gnu_debugaltlink_sec=None, debug_types_sec=None,
    )  # fmt: skip


def _section(source: ObjectFile, name: str, limit: int) -> DebugSectionDescriptor | None:
    section = source.section(name)
    raw = source.content(section, limit) if section else b""
    if section and section.flags & _COMPRESSED:
        raw = _inflate(raw, limit)
    if not raw:
        return None
    return DebugSectionDescriptor(
        stream=io.BytesIO(raw), name=name, global_offset=0, size=len(raw), address=0
    )


def _inflate(raw: bytes, limit: int) -> bytes:
    kind, _, size, _ = _CHDR.unpack_from(raw)
    if kind != _ZLIB or size > limit:
        return b""
    return zlib.decompressobj().decompress(raw[_CHDR.size :], limit)


def _is_bounded(raw: bytes, place: int) -> bool:
    """Whether DWARF 5's tables of folders and files have no more rows than bytes.

    pyelftools believes their counts, and a row without columns takes no bytes: 2^63 of them would do.
    """
    size, version = struct.unpack_from("<IH", raw, place)
    if size > MAX_PROGRAM or version < 5:
        return bool(size <= MAX_PROGRAM)
    place += _V5_FIXED
    place += raw[place]  # opcode_base, and the lengths of as many opcodes but one
    for _ in range(2):
        columns, place = raw[place], place + 1
        forms = []
        for _ in range(columns):
            _, place = leb128(raw, place)
            form, place = leb128(raw, place)
            forms.append(form)
        rows, place = leb128(raw, place)
        if rows > MAX_FILES or (rows and not columns):
            return False
        for _ in range(rows):
            for form in forms:
                place = _skip(raw, place, form)
    return True


def _skip(raw: bytes, place: int, form: int) -> int:
    """Where a value of this form ends."""
    if form in _FORM_SIZES:
        return place + _FORM_SIZES[form]
    if form == _FORM_STRING:
        return raw.index(b"\0", place) + 1
    if form == _FORM_UDATA:
        return leb128(raw, place)[1]
    raise ValueError(f"a line table has a column of the unexpected form {form:#x}")
