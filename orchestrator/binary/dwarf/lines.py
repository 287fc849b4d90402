"""`.debug_line`: from addresses to files and lines, by the line program of one unit (DWARF 5, 6.2).

Of several rows of one address the last one counts, except that a row where no statement begins never replaces
one where a statement does (gdb's rule). File names are as gdb shows them: the unit's own as given to the
compiler, others with their folder.
"""

import struct
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from orchestrator.binary.dwarf.entries import Unit
from orchestrator.binary.dwarf.forms import BLOCK, DATA16, LINE_STRP, SIZES, STRING, STRP, UDATA
from orchestrator.binary.dwarf.leb128 import sleb128, uleb128

# Bytes of a line program that is run; that of CPython's ceval.c has 100 kB.
MAX_PROGRAM: Final = 1 << 20
MAX_FILES: Final = 1 << 14
_NAME, _STATEMENTS, _FOLDER = 0x03, 0x10, 0x1B  # DW_AT_name, DW_AT_stmt_list, DW_AT_comp_dir
_PATH, _INDEX = 1, 2  # DW_LNCT_path, DW_LNCT_directory_index
# DW_LNS_copy, advance_pc, advance_line, set_file, negate_stmt, const_add_pc and fixed_advance_pc.
_EXTENDED, _COPY, _ADVANCE, _LINE, _FILE, _NEGATE, _CONST_ADD, _FIXED_ADD = 0, 1, 2, 3, 4, 6, 8, 9
_END, _SET_ADDRESS = 1, 2  # DW_LNE_end_sequence, DW_LNE_set_address
_SIZES: Final = {**SIZES, DATA16: 16}


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of a source file; the file by the name that the compiler was given."""

    file: str
    line: int


# Address, number of the file, line (0 for none), and whether a statement begins there.
_Row = tuple[int, int, int, bool]


@dataclass(slots=True)
class _State:
    """The registers of the line number state machine (DWARF 5, 6.2.2)."""

    address: int = 0
    file: int = 1
    line: int = 1
    statement: bool = True


class LineTable:
    """The lines of one unit; reading raises one of entries.DAMAGE where they are damaged or too large."""

    def __init__(self, unit: Unit, split: Unit | None = None) -> None:
        """Read the header; a unit without a table has no lines. `split` has the name of a skeleton's file."""
        self._dwarf, self._unit = unit.dwarf, unit
        self._named = (unit, split) if split else (unit,)
        self._files: list[tuple[str, int]] = []
        self._folders: list[str] = []
        self._program = (0, 0)
        self._data = unit.dwarf.line
        if _STATEMENTS in unit.top:
            self._read_header(unit.dwarf.number(unit.top[_STATEMENTS]))

    def _read_header(self, place: int) -> None:
        data = self._data
        size, version = struct.unpack_from("<IH", data, place)
        if size > MAX_PROGRAM or not 2 <= version <= 5:
            raise ValueError("a line program that is too large, or of an unknown version")
        self._version, end = version, place + 4 + size
        place += 8 if version >= 5 else 6
        begin = place + 4 + int(struct.unpack_from("<I", data, place)[0])
        place += 4
        self._step = data[place]
        place += 2 if version >= 4 else 1
        self._statement, base, self._range, opcode_base = struct.unpack_from("<BbBB", data, place)
        self._base, place = base, place + 4
        self._lengths = data[place : place + opcode_base - 1]
        place += len(self._lengths)
        if not self._range:
            raise ValueError("a line program without special opcodes")
        (self._read_names if version >= 5 else self._read_old_names)(place)
        self._program = (begin, min(end, len(data)))

    def _read_old_names(self, place: int) -> None:
        data = self._data
        self._folders = [self._folder]
        while data[place]:
            end = data.index(0, place)
            self._folders.append(data[place:end].decode(errors="replace"))
            place = end + 1
        place += 1
        self._files = [("", 0)]
        while data[place]:
            self._dwarf.spend()
            end = data.index(0, place)
            folder, after = uleb128(data, end + 1)
            self._files.append((data[place:end].decode(errors="replace"), folder))
            _, after = uleb128(data, after)
            _, place = uleb128(data, after)

    def _read_names(self, place: int) -> None:
        rows, place = self._table(place)
        self._folders = [str(row.get(_PATH, "")) for row in rows]
        rows, place = self._table(place)
        self._files = [(str(row.get(_PATH, "")), int(row.get(_INDEX, 0))) for row in rows]

    def _table(self, place: int) -> tuple[list[dict[int, str | int]], int]:
        data = self._data
        columns: list[tuple[int, int]] = []
        place += 1
        for _ in range(data[place - 1]):
            content, place = uleb128(data, place)
            form, place = uleb128(data, place)
            columns.append((content, form))
        count, place = uleb128(data, place)
        if count > MAX_FILES or (count and not columns):
            raise ValueError("a table of files that no compiler writes")
        rows = []
        for _ in range(count):
            self._dwarf.spend(len(columns))
            row: dict[int, str | int] = {}
            for content, form in columns:
                row[content], place = self._value(form, place)
            rows.append(row)
        return rows, place

    def _value(self, form: int, place: int) -> tuple[str | int, int]:
        data = self._data
        if form == STRING:
            end = data.index(0, place)
            return data[place:end].decode(errors="replace"), end + 1
        if form == UDATA:
            return uleb128(data, place)
        if form == BLOCK:
            size, place = uleb128(data, place)
            return 0, place + size
        end = place + _SIZES[form]
        value = int.from_bytes(data[place:end], "little")
        return (self._dwarf.text(self._unit, (form, value)) if form in (STRP, LINE_STRP) else value), end

    def find(self, addresses: Collection[int]) -> dict[int, Line]:
        """The lines of addresses."""
        wanted, found = sorted(addresses), {}
        for low, high, number, line in self._rows(wanted):
            for address in wanted:
                if low <= address < high:
                    found[address] = (number, line)
        return {
            address: Line(file=name, line=line)
            for address, (number, line) in found.items()
            if (name := self.file(number))
        }

    def file(self, number: int) -> str | None:
        """A file's name by its number, which counts from 0 since DWARF 5, and from 1 before."""
        if not 0 <= number < len(self._files):
            return None
        name, index = self._files[number]
        if not name.startswith("/") and (index or self._version >= 5) and index < len(self._folders):
            name = f"{self._folders[index]}/{name}"
        own = self._own(_NAME)
        is_own = name.startswith("/") and not own.startswith("/") and name == f"{self._folder}/{own}"
        return own if is_own else name or None

    @property
    def _folder(self) -> str:
        return self._own(_FOLDER)

    def _own(self, attribute: int) -> str:
        texts = (unit.dwarf.text(unit, unit.top[attribute]) for unit in self._named if attribute in unit.top)
        return next(texts, "")

    def _rows(self, wanted: Sequence[int]) -> Iterator[tuple[int, int, int, int]]:
        """Start, end, file and line of each range of code, in the sequences that contain a wanted address."""
        place, end = self._program
        while place < end:
            place, rows = self._sequence(place, end)
            self._dwarf.spend(len(rows))
            if not any(rows[0][0] <= address < rows[-1][0] for address in wanted if rows):
                continue
            last: _Row | None = None
            for row in rows:
                if last is not None and row[0] > last[0] and last[2]:
                    yield last[0], row[0], last[1], last[2]
                if last is None or row[0] != last[0] or row[3] or not last[3]:
                    last = row

    def _sequence(self, place: int, end: int) -> tuple[int, list[_Row]]:
        """The rows of a sequence, after the place where the next one begins."""
        data, step = self._data, self._step
        first, line_base, line_range = len(self._lengths) + 1, self._base, self._range
        state = _State(statement=bool(self._statement))
        rows: list[_Row] = []
        while place < end:
            opcode = data[place]
            place += 1
            if opcode >= first:
                state.address += (opcode - first) // line_range * step
                state.line += line_base + (opcode - first) % line_range
            elif opcode == _EXTENDED:
                size, place = uleb128(data, place)
                kind, place = data[place], place + size
                if kind == _SET_ADDRESS:
                    state.address = int.from_bytes(data[place - size + 1 : place], "little")
                if kind != _END:
                    continue
                return place, [*rows, (state.address, state.file, 0, True)]
            elif opcode != _COPY:
                place = self._standard(opcode, place, state)
                continue
            rows.append((state.address, state.file, state.line, state.statement))
        return end, []

    def _standard(self, opcode: int, place: int, state: _State) -> int:
        """Run a standard opcode that appends no row; returns where its operands end."""
        data = self._data
        if opcode == _ADVANCE:
            by, place = uleb128(data, place)
            state.address += by * self._step
        elif opcode == _LINE:
            by, place = sleb128(data, place)
            state.line += by
        elif opcode == _FILE:
            state.file, place = uleb128(data, place)
        elif opcode == _NEGATE:
            state.statement = not state.statement
        elif opcode == _CONST_ADD:
            state.address += (255 - len(self._lengths) - 1) // self._range * self._step
        elif opcode == _FIXED_ADD:
            state.address, place = (
                state.address + int.from_bytes(data[place : place + 2], "little"),
                place + 2,
            )
        else:
            for _ in range(self._lengths[opcode - 1]):
                _, place = uleb128(data, place)
        return place
