"""Split DWARF: the units that a compiler left in a file of their own (.dwo), or in a package of many (.dwp).

The program keeps a skeleton of each unit, with addresses and lines, the name of the file and an id that both
have. Layouts are those of DWARF 5, 7.3, and for DWARF 4 of GCC's DebugFission, whose index has version 2.
"""

import posixpath
import struct
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Final

from orchestrator.binary.dwarf.entries import DAMAGE, MAX_STEPS, Dwarf, Unit
from orchestrator.binary.dwarf.sections import Allowance, Parts, Sections, Steps
from orchestrator.binary.elf.objectfile import ObjectFile

SUFFIX: Final = ".dwo"
_NAMES: Final = (0x76, 0x2130)  # DW_AT_dwo_name, DW_AT_GNU_dwo_name
# In the abbreviation of a skeleton: its tag (DW_TAG_skeleton_unit, without children), and DW_AT_GNU_dwo_name.
_MARKS: Final = (b"\x4a\x00", b"\xb0\x42")
_FOLDER: Final = 0x1B  # DW_AT_comp_dir
# Columns (DW_SECT_*) by version of the index; of the others nothing is read.
_COLUMNS: Final = {
    2: {1: "info", 3: "abbrev", 4: "line", 6: "str_offsets"},
    5: {1: "info", 3: "abbrev", 4: "line", 6: "str_offsets", 8: "rnglists"},
}
_HEADER: Final = struct.Struct("<IIII")  # version, columns, units, slots
# Seconds of processor time for the names in the skeletons of one program.
_MAX_SECONDS: Final = 5.0
_MAX_UNITS, _MAX_COLUMNS = 1 << 20, 16


@dataclass(frozen=True, slots=True)
class SplitName:
    """The file that a skeleton names, by its path where it was compiled, and the id of the unit in it."""

    path: PurePosixPath
    split_id: int


def split_name(unit: Unit) -> SplitName | None:
    """The file that has the rest of a unit; None for a unit that is no skeleton."""
    named = next((unit.top[name] for name in _NAMES if name in unit.top), None)
    if named is None or unit.split_id is None:
        return None
    folder = unit.dwarf.text(unit, unit.top[_FOLDER]) if _FOLDER in unit.top else "/"
    path = PurePosixPath(posixpath.normpath(posixpath.join(folder, unit.dwarf.text(unit, named))))
    return SplitName(path, unit.split_id) if path.is_absolute() else None


def split_unit(sections: Sections, skeleton: Unit) -> Unit | None:
    """The split unit of a skeleton in a file of one unit; None if the file has another unit."""
    units = Dwarf(sections, skeleton=skeleton).units()
    return next((unit for unit in units if unit.split_id == skeleton.split_id), None)


class Package:
    """A package of split units; reading raises one of entries.DAMAGE where it is damaged."""

    def __init__(self, whole: Sections, index: bytes) -> None:
        """`index` is the section .debug_cu_index."""
        self._whole, self._index = whole, index

    def unit(self, skeleton: Unit) -> Unit | None:
        """The split unit of a skeleton; None where the package has none of its id."""
        row = self._rows.get(skeleton.split_id or 0)
        if row is None:
            return None
        return split_unit(Parts(self._whole, self._parts(row)), skeleton)

    @cached_property
    def _shape(self) -> tuple[int, int, int, int]:
        version, columns, units, slots = _HEADER.unpack_from(self._index)
        version &= 0xFFFF  # DWARF 5 has two bytes of it, and two of padding
        if version not in _COLUMNS or columns > _MAX_COLUMNS or max(units, slots) > _MAX_UNITS:
            raise ValueError("an index of units that no tool writes")
        return version, columns, units, slots

    @cached_property
    def _rows(self) -> dict[int, int]:
        """The row of each unit, from 1 on, by its id."""
        _, _, _, slots = self._shape
        ids = struct.unpack_from(f"<{slots}Q", self._index, _HEADER.size)
        rows = struct.unpack_from(f"<{slots}I", self._index, _HEADER.size + 8 * slots)
        return {split_id: row for split_id, row in zip(ids, rows, strict=True) if row}

    def _parts(self, row: int) -> dict[str, tuple[int, int]]:
        """Offset and size of a unit's part of each section."""
        version, columns, units, slots = self._shape
        if row > units:
            raise ValueError("an index that leads out of itself")
        line = struct.Struct(f"<{columns}I")
        at = _HEADER.size + 12 * slots
        kinds = line.unpack_from(self._index, at)
        offsets = line.unpack_from(self._index, at + row * line.size)
        sizes = line.unpack_from(self._index, at + (units + row) * line.size)
        names = _COLUMNS[version]
        found = zip(kinds, offsets, sizes, strict=True)
        return {names[kind]: (offset, size) for kind, offset, size in found if kind in names}


def split_names(source: ObjectFile) -> list[SplitName]:
    """The files that the units of a program name; none where it is damaged.

    Most programs have none, which their abbreviations show.
    """
    sections = Sections(source, Allowance())
    try:
        abbreviations = sections.get("abbrev") if source.section(".debug_addr") else b""
        if not any(mark in abbreviations for mark in _MARKS):
            return []
        steps = Steps(MAX_STEPS, time.thread_time() + _MAX_SECONDS)
        return list(filter(None, map(split_name, Dwarf(sections, steps=steps).units())))
    except DAMAGE:
        return []
