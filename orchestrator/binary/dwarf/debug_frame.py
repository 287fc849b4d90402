"""Call frame information in .debug_frame, for code that is built without .eh_frame (DWARF 5, 6.4.1).

Programs and their debug files have it. It has no sorted table of addresses, so one is made. The files are
untrusted: damage raises CfiError.
"""

import struct
from bisect import bisect_right
from functools import cached_property
from typing import Final

from orchestrator.binary.dwarf.cfi import EXTENDED_LENGTH, MAX_ENTRY, Common, Unwinding, parse_common, run
from orchestrator.binary.dwarf.cfi_program import CfiError
from orchestrator.binary.elf.objectfile import ObjectFile

# Bytes of the section that are read, and entries of it; a kernel with all drivers has 100,000.
MAX_SECTION: Final = 16 << 20
MAX_ENTRIES: Final = 1 << 18
_CIE: Final = 0xFFFFFFFF  # where an FDE has the offset of its CIE
_HEAD: Final = struct.Struct("<II")
_RANGE: Final = struct.Struct("<QQ")


class DebugFrames:
    """The entries of one object's .debug_frame, with linked addresses."""

    def __init__(self, source: ObjectFile) -> None:
        self._source = source
        self._commons: dict[int, Common] = {}

    def at(self, address: int) -> Unwinding | None:
        """How to unwind at an address; None where no entry covers it. Raises CfiError."""
        number = bisect_right(self._entries, address, key=lambda entry: entry[0]) - 1
        first, end, place = self._entries[number] if number >= 0 else (0, 0, 0)
        if not first <= address < end:
            return None
        size, common = _HEAD.unpack_from(self._data, place)
        body = self._data[place + _HEAD.size + _RANGE.size : place + 4 + min(size, MAX_ENTRY)]
        try:
            return run(self._common(common), body, first, address)
        except (ValueError, struct.error, IndexError) as error:
            raise CfiError(f"the unwind information is damaged: {error}") from error

    @cached_property
    def _data(self) -> bytes:
        try:
            return self._source.debug_section(".debug_frame", MAX_SECTION)
        except ValueError:
            return b""

    @cached_property
    def _entries(self) -> list[tuple[int, int, int]]:
        """First address, end and place of each entry, by address."""
        found: list[tuple[int, int, int]] = []
        data, place = self._data, 0
        while place + _HEAD.size + _RANGE.size <= len(data) and len(found) < MAX_ENTRIES:
            size, common = _HEAD.unpack_from(data, place)
            if size == EXTENDED_LENGTH or size < 4:
                break
            if common != _CIE:
                first, length = _RANGE.unpack_from(data, place + _HEAD.size)
                found.append((first, first + length, place))
            place += 4 + size
        return sorted(found)

    def _common(self, place: int) -> Common:
        if place not in self._commons:
            size, mark = _HEAD.unpack_from(self._data, place)
            if mark != _CIE:
                raise CfiError("the unwind information refers to no common entry")
            self._commons[place] = parse_common(
                self._data[place + _HEAD.size : place + 4 + min(size, MAX_ENTRY)]
            )
        return self._commons[place]
