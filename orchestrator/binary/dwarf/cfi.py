"""Call frame information: how to find the caller's registers at an address.

.eh_frame_hdr has a table sorted by address, so that one of libpython's 20,000 entries is found without
reading the others; only that one is parsed. Layouts are those of the LSB (.eh_frame, .eh_frame_hdr) and of
DWARF 5, 6.4. The files are untrusted: damage raises CfiError, and the unwinding ends there.
"""

import struct
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from orchestrator.binary.dwarf.cfi_program import CfiError, FrameProgram, Row
from orchestrator.binary.dwarf.leb128 import sleb128, uleb128
from orchestrator.binary.elf.objectfile import ObjectFile

# Bytes of an entry that are read; the longest of libpython has 300.
MAX_ENTRY: Final = 1 << 14
# Bytes of .eh_frame that are searched entry by entry where there is no sorted table.
MAX_LINEAR: Final = 4 << 20

# How all linkers encode .eh_frame_hdr: a pc-relative pointer, a count, and pairs relative to the table.
_INDEX_FORM: Final = (0x1B, 0x03, 0x3B)
_INDEX_HEADER: Final = 12
_PAIR: Final = struct.Struct("<ii")
EXTENDED_LENGTH: Final = 0xFFFFFFFF  # the length of the 64-bit format, which no linker here writes

# The version of a CIE that states the sizes of an address and of a segment (DWARF 4 and 5, 6.4.1).
_WITH_SIZES, _ADDRESS_SIZE = 4, 8

# DW_EH_PE_*: bytes of absptr, udata2, 4 and 8, and of sdata2, 4 and 8.
_POINTER_SIZES: Final = {0: 8, 2: 2, 3: 4, 4: 8, 10: 2, 11: 4, 12: 8}
_FORM, _SIGNED, _APPLICATION, _PC_RELATIVE, _OMIT = 0x0F, 0x08, 0x70, 0x10, 0xFF


@dataclass(frozen=True, slots=True)
class Unwinding:
    """The row at an address, and the register (by its number in DWARF) that the return address is in.

    `signal`: the address is in a signal trampoline (augmentation 'S').
    """

    row: Row
    return_register: int
    signal: bool


@dataclass(frozen=True, slots=True)
class Common:
    """A common information entry (CIE); `encoding` is that of its functions' addresses (DW_EH_PE_*)."""

    code_align: int
    data_align: int
    return_register: int
    encoding: int
    signal: bool
    augmented: bool
    program: bytes


class CallFrames:
    """The call frame information of one object; addresses as linked."""

    def __init__(self, source: ObjectFile) -> None:
        self._source = source
        self._commons: dict[int, Common] = {}

    def at(self, address: int) -> Unwinding | None:
        """How to unwind at an address; None where no entry covers it. Raises CfiError."""
        try:
            place = self._find(address)
            return None if place is None else self._unwinding(place, address)
        except (ValueError, struct.error, IndexError) as error:
            raise CfiError(f"the unwind information is damaged: {error}") from error

    @cached_property
    def _index(self) -> tuple[int, bytes] | None:
        """Address of .eh_frame_hdr, and its table."""
        start = self._source.unwind_index
        if start is None:
            return None
        head = self._source.read(start, _INDEX_HEADER)
        if len(head) < _INDEX_HEADER or head[0] != 1 or tuple(head[1:4]) != _INDEX_FORM:
            return None
        count = int.from_bytes(head[8:12], "little")
        table = self._source.read(start + _INDEX_HEADER, min(count * _PAIR.size, MAX_LINEAR))
        return start, table

    def _find(self, address: int) -> int | None:
        """The address of the entry (FDE) that may cover an address."""
        if self._index is None:
            return self._search(address)
        start, table = self._index
        low, high = 0, len(table) // _PAIR.size
        while low < high:
            middle = (low + high) // 2
            if start + _PAIR.unpack_from(table, middle * _PAIR.size)[0] <= address:
                low = middle + 1
            else:
                high = middle
        return start + int(_PAIR.unpack_from(table, (low - 1) * _PAIR.size)[1]) if low else None

    @cached_property
    def _ranges(self) -> list[tuple[int, int, int]]:
        """First address, end and place of each entry of a file without a sorted table (a static program)."""
        section = self._source.section(".eh_frame")
        if section is None:
            return []
        data = self._source.content(section, MAX_LINEAR)
        ranges, place = [], 0
        while place + 8 <= len(data):
            size = int.from_bytes(data[place : place + 4], "little")
            if not size or size == EXTENDED_LENGTH:
                break
            if int.from_bytes(data[place + 4 : place + 8], "little"):  # 0 in a CIE
                entry = section.address + place
                common, body = self._entry(entry)
                first, length, _ = _range(entry, body, common)
                ranges.append((first, first + length, entry))
            place += 4 + size
        return ranges

    def _search(self, address: int) -> int | None:
        return next((place for first, end, place in self._ranges if first <= address < end), None)

    def _entry(self, place: int) -> tuple[Common, bytes]:
        """The CIE of the entry at `place`, and the entry's bytes from its length on."""
        size = int.from_bytes(self._source.read(place, 4), "little")
        body = self._source.read(place, 4 + min(size, MAX_ENTRY))
        pointer = int.from_bytes(body[4:8], "little")
        if len(body) < 12 or not pointer:
            raise CfiError("the unwind table refers to no entry")
        return self._common(place + 4 - pointer), body

    def _common(self, place: int) -> Common:
        if place not in self._commons:
            size = int.from_bytes(self._source.read(place, 4), "little")
            self._commons[place] = parse_common(self._source.read(place + 8, min(size - 4, MAX_ENTRY)))
        return self._commons[place]

    def _unwinding(self, place: int, address: int) -> Unwinding | None:
        common, body = self._entry(place)
        first, length, at = _range(place, body, common)
        if not first <= address < first + length:
            return None
        if common.augmented:
            size, at = uleb128(body, at)
            at += size
        return run(common, body[at:], first, address)


def run(common: Common, instructions: bytes, first: int, address: int) -> Unwinding:
    """How to unwind at an address of a function that begins at `first`, by the instructions of its entry."""
    program = FrameProgram(
        code_align=common.code_align, data_align=common.data_align, location=first, target=address
    )
    program.run_initial(common.program)
    program.run(instructions)
    return Unwinding(program.row, common.return_register, common.signal)


def _range(place: int, body: bytes, common: Common) -> tuple[int, int, int]:
    """First address and length of the code of an entry, and where its augmentation data begin."""
    first, at = _pointer(body, 8, common.encoding, place)
    length, at = _pointer(body, at, common.encoding & _FORM & ~_SIGNED, 0)
    return first, length, at


def parse_common(body: bytes) -> Common:
    """Parse a CIE from its version on; version 4, of .debug_frame, states the sizes of its addresses."""
    augmentation, _, _ = body[1:33].partition(b"\0")
    place = 2 + len(augmentation)
    if body[0] == _WITH_SIZES:
        if tuple(body[place : place + 2]) != (_ADDRESS_SIZE, 0):
            raise CfiError("the unwind information has addresses of another size, or of segments")
        place += 2
    code_align, place = uleb128(body, place)
    data_align, place = sleb128(body, place)
    return_register, place = (body[place], place + 1) if body[0] == 1 else uleb128(body, place)
    encoding, end = 0, place
    if augmentation.startswith(b"z"):
        size, place = uleb128(body, place)
        end = place + size
        for letter in augmentation[1:]:
            if letter == ord("R"):
                encoding, place = body[place], place + 1
            elif letter == ord("L"):
                place += 1
            elif letter == ord("P"):
                _, place = _pointer(body, place + 1, body[place] & _FORM, 0)
    elif augmentation:
        raise CfiError(f"the unwind information has the unknown augmentation {augmentation!r}")
    return Common(
        code_align=code_align, data_align=data_align, return_register=return_register, encoding=encoding,
        signal=b"S" in augmentation, augmented=augmentation.startswith(b"z"), program=body[end:],
    )  # fmt: skip


def _pointer(body: bytes, at: int, encoding: int, place: int) -> tuple[int, int]:
    """The encoded pointer at `at` of an entry that lies at `place`, and where the pointer ends."""
    form = encoding & _FORM
    if encoding == _OMIT or form not in _POINTER_SIZES or encoding & _APPLICATION not in (0, _PC_RELATIVE):
        raise CfiError(f"the unwind information has pointers in the unknown form {encoding:#x}")
    size = _POINTER_SIZES[form]
    raw = body[at : at + size]
    if len(raw) < size:
        raise CfiError("the unwind information ends within a pointer")
    value = int.from_bytes(raw, "little", signed=form >= _SIGNED)
    return value + (place + at if encoding & _PC_RELATIVE else 0), at + size
