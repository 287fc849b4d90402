"""Call frame information: at an address, how to find the caller's registers.

.eh_frame_hdr has a sorted table, in which one entry of libpython's 20,000 is found without reading the
others; only that one is parsed. Layouts are those of the LSB (.eh_frame, .eh_frame_hdr) and of DWARF 5,
6.4. The files are untrusted: what is damaged is a CfiError, which ends the unwinding there.
"""

import struct
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from orchestrator.binary.dwarf.leb128 import sleb128, uleb128
from orchestrator.binary.elf.objectfile import ObjectFile

MAX_ENTRY: Final = 1 << 14
"""Bytes of an entry that are read; the longest of libpython has 300."""
MAX_LINEAR: Final = 4 << 20
"""Bytes of .eh_frame that are searched entry by entry where there is no sorted table."""
MAX_REMEMBERED: Final = 32
MAX_RULES: Final = 128
"""Registers with a rule; more than these no architecture here has."""
_INDEX_FORM: Final = (0x1B, 0x03, 0x3B)
"""How all linkers encode .eh_frame_hdr: pc-relative, count, and pairs relative to the table."""
_PAIR: Final = struct.Struct("<ii")
_SIZES: Final = {0: 8, 2: 2, 3: 4, 4: 8, 10: 2, 11: 4, 12: 8}
"""DW_EH_PE_*: bytes of absptr, udata2-8 and sdata2-8."""
_SIGNED_FORM, _PC_RELATIVE, _OMIT = 8, 0x10, 0xFF


class CfiError(Exception):
    """Call frame information that is damaged or not understood; never leaves the unwinder."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How a register of the caller is found.

    `kind` is one of offset (lies at CFA + value), val_offset (is CFA + value), register, expression
    (lies where it says), val_expression (is what it says), undefined, same.
    """

    kind: str
    value: int = 0
    code: bytes = b""


@dataclass(slots=True)
class Row:
    """The rules at one address: of the canonical frame address (CFA), and of the registers."""

    register: int = -1
    offset: int = 0
    expression: bytes | None = None
    rules: dict[int, Rule] = field(default_factory=dict)

    def copy(self) -> "Row":
        """A row of its own, since the next instruction changes this one."""
        return Row(self.register, self.offset, self.expression, dict(self.rules))


@dataclass(frozen=True, slots=True)
class Unwinding:
    """The row at an address; `signal` says that this is a signal's trampoline ('S')."""

    row: Row
    return_register: int
    signal: bool


@dataclass(frozen=True, slots=True)
class _Common:
    """A common information entry (CIE)."""

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
        self._commons: dict[int, _Common] = {}

    def at(self, address: int) -> Unwinding | None:
        """How to unwind at an address; None where nothing covers it. Raises CfiError."""
        try:
            place = self._find(address)
            return None if place is None else self._unwinding(place, address)
        except (ValueError, struct.error, IndexError) as error:
            raise CfiError(f"the unwind information is damaged: {error}") from error

    @cached_property
    def _index(self) -> tuple[int, bytes] | None:
        """Address of .eh_frame_hdr, and its table."""
        if self._source.unwind_index is None:
            return None
        start = self._source.unwind_index
        head = self._source.read(start, 12)
        if len(head) < 12 or head[0] != 1 or tuple(head[1:4]) != _INDEX_FORM:
            return None
        count = int.from_bytes(head[8:12], "little")
        table = self._source.read(start + 12, min(count * _PAIR.size, MAX_LINEAR))
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
        """First address, end and place of every entry, where there is no sorted table (static programs)."""
        section = self._source.section(".eh_frame")
        if section is None:
            return []
        data = self._source.content(section, MAX_LINEAR)
        ranges, place = [], 0
        while place + 8 <= len(data):
            size = int.from_bytes(data[place : place + 4], "little")
            if not size or size == 0xFFFFFFFF:
                break
            if int.from_bytes(data[place + 4 : place + 8], "little"):
                entry = section.address + place
                common, body = self._entry(entry)
                first, length, _ = self._range(entry, body, common)
                ranges.append((first, first + length, entry))
            place += 4 + size
        return ranges

    def _search(self, address: int) -> int | None:
        return next((place for first, end, place in self._ranges if first <= address < end), None)

    def _entry(self, place: int) -> tuple[_Common, bytes]:
        """The common entry and the body, from its length on, of the entry at `place`."""
        size = int.from_bytes(self._source.read(place, 4), "little")
        body = self._source.read(place, 4 + min(size, MAX_ENTRY))
        pointer = int.from_bytes(body[4:8], "little")
        if len(body) < 12 or not pointer:
            raise CfiError("the unwind table leads to no entry")
        return self._common(place + 4 - pointer), body

    def _common(self, place: int) -> _Common:
        if place not in self._commons:
            size = int.from_bytes(self._source.read(place, 4), "little")
            self._commons[place] = _parse_common(self._source.read(place + 8, min(size - 4, MAX_ENTRY)))
        return self._commons[place]

    def _range(self, place: int, body: bytes, common: _Common) -> tuple[int, int, int]:
        first, at = _pointer(body, 8, common.encoding, place)
        length, at = _pointer(body, at, common.encoding & 0x0F & ~_SIGNED_FORM, 0)
        return first, length, at

    def _unwinding(self, place: int, address: int) -> Unwinding | None:
        common, body = self._entry(place)
        first, length, at = self._range(place, body, common)
        if not first <= address < first + length:
            return None
        if common.augmented:
            size, at = uleb128(body, at)
            at += size
        program = _Program(common, first, address)
        program.run(common.program)
        program.initial = program.row.copy()
        program.run(body[at:])
        return Unwinding(program.row, common.return_register, common.signal)


class _Program:
    """Runs call frame instructions up to an address (DWARF 5, 6.4.2)."""

    def __init__(self, common: _Common, location: int, target: int) -> None:
        self.row = Row()
        self.initial = Row()
        self._common = common
        self._location = location
        self._target = target
        self._stack: list[Row] = []
        self._data = b""
        self._place = 0

    def run(self, program: bytes) -> None:
        """Run instructions until the end, or until the next row is beyond the target."""
        self._data, self._place = program, 0
        while self._place < len(program) and self._location <= self._target:
            code = program[self._place]
            self._place += 1
            high, low = code & 0xC0, code & 0x3F
            if high == 0x40:
                self._location += low * self._common.code_align
            elif high == 0x80:
                self._offset(low, self._leb() * self._common.data_align)
            elif high == 0xC0:
                self._restore(low)
            else:
                self._extended(low)

    def _extended(self, code: int) -> None:
        if code in (0x01, 0x02, 0x03, 0x04):
            self._advance(code)
        elif 0x0C <= code <= 0x13 and code != 0x10:
            self._define_cfa(code)
        elif code in (0x0A, 0x0B):
            self._remember(code)
        elif code == 0x2E:  # DW_CFA_GNU_args_size
            self._leb()
        elif code not in (0x00, 0x2D):  # DW_CFA_nop, DW_CFA_AARCH64_negate_ra_state
            self._register_rule(code)

    def _advance(self, code: int) -> None:
        if code == 0x01:
            raise CfiError("the unwind information sets its location absolutely")
        size = {0x02: 1, 0x03: 2, 0x04: 4}[code]
        raw = self._data[self._place : self._place + size]
        self._place += size
        self._location += int.from_bytes(raw, "little") * self._common.code_align

    def _define_cfa(self, code: int) -> None:
        if code == 0x0F:
            self.row.expression = self._block()
            return
        if code in (0x0C, 0x0D, 0x12):
            self.row.register, self.row.expression = self._leb(), None
        if code in (0x0C, 0x0E):
            self.row.offset = self._leb()
        elif code in (0x12, 0x13):
            self.row.offset = self._leb(sign=True) * self._common.data_align

    def _remember(self, code: int) -> None:
        if code == 0x0A:
            if len(self._stack) >= MAX_REMEMBERED:
                raise CfiError("the unwind information remembers too many rows")
            self._stack.append(self.row.copy())
        elif self._stack:
            self.row = self._stack.pop()
        else:
            raise CfiError("the unwind information restores a row that it never remembered")

    def _register_rule(self, code: int) -> None:
        number = self._leb()
        if len(self.row.rules) > MAX_RULES:
            raise CfiError("the unwind information has rules for too many registers")
        data_align = self._common.data_align
        if code == 0x05:
            self._offset(number, self._leb() * data_align)
        elif code == 0x11:
            self._offset(number, self._leb(sign=True) * data_align)
        elif code == 0x06:
            self._restore(number)
        elif code in (0x07, 0x08):
            self.row.rules[number] = Rule("undefined" if code == 0x07 else "same")
        elif code == 0x09:
            self.row.rules[number] = Rule("register", self._leb())
        elif code in (0x10, 0x16):
            kind = "expression" if code == 0x10 else "val_expression"
            self.row.rules[number] = Rule(kind, code=self._block())
        elif code in (0x14, 0x15):
            self.row.rules[number] = Rule("val_offset", self._leb(sign=code == 0x15) * data_align)
        else:
            raise CfiError(f"the unwind information has the unknown instruction {code:#x}")

    def _offset(self, number: int, value: int) -> None:
        self.row.rules[number] = Rule("offset", value)

    def _restore(self, number: int) -> None:
        if number in self.initial.rules:
            self.row.rules[number] = self.initial.rules[number]
        else:
            self.row.rules.pop(number, None)

    def _block(self) -> bytes:
        size = self._leb()
        block = self._data[self._place : self._place + size]
        self._place += size
        return block

    def _leb(self, *, sign: bool = False) -> int:
        value, self._place = (sleb128 if sign else uleb128)(self._data, self._place)
        return value


def _parse_common(body: bytes) -> _Common:
    """Parse a CIE from its version on."""
    augmentation, _, _ = body[1:33].partition(b"\0")
    place = 2 + len(augmentation)
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
                _, place = _pointer(body, place + 1, body[place] & 0x0F, 0)
    elif augmentation:
        raise CfiError(f"the unwind information has the unknown augmentation {augmentation!r}")
    return _Common(
        code_align=code_align, data_align=data_align, return_register=return_register, encoding=encoding,
        signal=b"S" in augmentation, augmented=augmentation.startswith(b"z"), program=body[end:],
    )  # fmt: skip


def _pointer(body: bytes, at: int, encoding: int, place: int) -> tuple[int, int]:
    """An encoded pointer at `at` of an entry that lies at `place`, and where it ends."""
    form = encoding & 0x0F
    if encoding == _OMIT or form not in _SIZES or encoding & 0x70 not in (0, _PC_RELATIVE):
        raise CfiError(f"the unwind information has pointers in the unknown form {encoding:#x}")
    size = _SIZES[form]
    raw = body[at : at + size]
    if len(raw) < size:
        raise CfiError("the unwind information is cut")
    value = int.from_bytes(raw, "little", signed=form >= _SIGNED_FORM)
    return value + (place + at if encoding & _PC_RELATIVE else 0), at + size
