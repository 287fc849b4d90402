"""ELF core files, read defensively: every length in a core is hostile, so none is believed.

The file is mapped, never read whole; what is damaged is left out and named in `damage`. Layouts are
those of core(5), elf(5) and the kernel's include/uapi/linux/elfcore.h and fs/binfmt_elf.c.
"""

import mmap
import struct
from bisect import bisect_right
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from orchestrator.binary.arch import Arch
from orchestrator.binary.core.modules import MappedModule, find_modules
from orchestrator.binary.core.notes import MappedRange, parse_notes
from orchestrator.binary.elf.notes import notes_in
from orchestrator.errors import CoreError

MAX_NOTES: Final = 32 << 20
"""Bytes of notes that are read; 170 threads need 0.6 MB."""
MAX_SEGMENTS: Final = 1 << 17
"""Program headers that are read: one a mapping, of which the kernel allows 65530 (vm.max_map_count)."""

_MAGIC: Final = b"\x7fELF"
_EHDR: Final = struct.Struct("<16sHHIQQQIHHHHHH")
_PHDR: Final = struct.Struct("<IIQQQQQQ")
_ARCHES: Final = {62: Arch.X86_64, 183: Arch.ARM64}
"""e_machine: EM_X86_64, EM_AARCH64."""
_ET_CORE: Final = 4
_PN_XNUM, _SH_INFO = 0xFFFF, 44
"""With more headers than fit, the number is in sh_info of the first section header (elf(5))."""
_PT_LOAD, _PT_NOTE = 1, 4
PF_X: Final = 1
"""The flag of a segment that may be executed."""
_AT_BASE, _AT_ENTRY, _AT_EXECFN = 7, 9, 31
_HINT: Final = "give a core of a 64-bit x86_64 or arm64 process"


@dataclass(frozen=True, kw_only=True, slots=True)
class Segment:
    """A program header: memory range (`size` bytes), and the bytes of the file that hold it."""

    kind: int
    flags: int
    start: int
    size: int
    offset: int
    stored: int


class Core:
    """A mapped core file. Make it with `open_core`; invalid after that context ends."""

    def __init__(self, data: mmap.mmap | bytes) -> None:
        """Parse headers and notes; raises CoreError where this is no core that can be read at all."""
        self._data = data
        self._damage: dict[str, None] = {}
        self._adopted: dict[str, MappedModule] = {}
        self.arch, count, offset = self._header()
        self.segments = self._segments(count, offset)
        self.loads = sorted((s for s in self.segments if s.kind == _PT_LOAD), key=lambda s: s.start)
        self._starts = [segment.start for segment in self.loads]
        self.truncated = any(s.offset + s.stored > len(data) for s in self.segments)
        told = parse_notes(self.arch, self._notes())
        self.threads, self.files, self.auxv = told.threads, told.files, told.auxv
        self.siginfo, self.process_id, self.psinfo = told.siginfo, told.process_id, told.psinfo
        for what in told.damage:
            self._lose(what)

    @property
    def damage(self) -> tuple[str, ...]:
        """What could not be read, in words."""
        return tuple(self._damage)

    def _lose(self, what: str) -> None:
        self._damage[what] = None

    def held(self, segment: Segment) -> int:
        """How many bytes of a segment the file has, which a truncated one has fewer of than `stored`."""
        return max(0, min(segment.stored, len(self._data) - segment.offset))

    def read(self, address: int, size: int) -> bytes:
        """Memory as it was; shorter than `size` where the core does not hold all of it."""
        segment = self.segment_at(address)
        if segment is None:
            return b""
        skip = address - segment.start
        begin = segment.offset + skip
        return bytes(self._data[begin : begin + max(0, min(size, segment.stored - skip))])

    def segment_at(self, address: int) -> Segment | None:
        """The mapping that an address lay in; also one whose memory the core does not hold."""
        index = bisect_right(self._starts, address) - 1
        segment = self.loads[index] if index >= 0 else None
        return segment if segment and address < segment.start + segment.size else None

    def is_code(self, address: int) -> bool:
        """Whether an address lay in an executable mapping."""
        segment = self.segment_at(address)
        return bool(segment and segment.flags & PF_X)

    def text(self, address: int, limit: int = 4096) -> str | None:
        """A string of C in memory; None where it is not there, or does not end within `limit` bytes."""
        raw, end, _ = self.read(address, limit).partition(b"\0")
        return raw.decode(errors="replace") if end else None

    @property
    def invoked(self) -> str | None:
        """The path that the program was executed by, which may be a link (AT_EXECFN of getauxval(3))."""
        return self.text(self.auxv.get(_AT_EXECFN, 0))

    @property
    def entry(self) -> int | None:
        """The program's entry point as it was loaded."""
        return self.auxv.get(_AT_ENTRY)

    @property
    def loaded_at(self) -> int | None:
        """Where the dynamic loader was loaded (AT_BASE)."""
        return self.auxv.get(_AT_BASE)

    @property
    def has_adopted(self) -> bool:
        """Whether its modules come from elsewhere, since the core itself lists none."""
        return bool(self._adopted)

    def adopt(self, modules: Iterable[MappedModule]) -> None:
        """Take the list of modules from elsewhere, for a core without one; before anybody asks for them."""
        self._adopted = {item.path: item for item in modules}
        self.files = tuple(
            MappedRange(start=item.base, end=item.end, offset=0, path=item.path)
            for item in self._adopted.values()
        )

    @cached_property
    def modules(self) -> tuple[MappedModule, ...]:
        """The mapped ELF files in order of first mapping; other mapped files (locales, data) are left out."""
        if self._adopted:
            return tuple(self._adopted.values())
        return find_modules(self.files, self)

    @cached_property
    def _modules_by_path(self) -> dict[str, list[MappedModule]]:
        found: dict[str, list[MappedModule]] = {}
        for module in sorted(self.modules, key=lambda module: module.base):
            found.setdefault(module.path, []).append(module)
        return found

    def module_at(self, address: int | None) -> MappedModule | None:
        """The module that an address lies in; of a file that was loaded more than once, the right one."""
        if address is None:
            return None
        starts, files = self._files_by_start
        index = bisect_right(starts, address) - 1
        if index < 0 or address >= files[index].end:
            return None
        modules = self._modules_by_path.get(files[index].path, [])
        last = bisect_right(modules, address, key=lambda module: module.base) - 1
        return modules[last] if last >= 0 else None

    @property
    def executable(self) -> MappedModule | None:
        """The program itself, by the entry point that the kernel noted in the auxiliary vector."""
        return self.module_at(self.auxv.get(_AT_ENTRY))

    @property
    def loader(self) -> MappedModule | None:
        """The dynamic loader, by its base in the auxiliary vector; None for a static program."""
        return self.module_at(self.auxv.get(_AT_BASE))

    def _header(self) -> tuple[Arch, int, int]:
        head = bytes(self._data[: _EHDR.size])
        if head[:4] != _MAGIC or len(head) < _EHDR.size:
            raise CoreError("this file is not ELF, so it is no core", hint=_HINT)
        fields = _EHDR.unpack(head)
        ident, kind, machine, _, _, offset, _, _, _, size, count, *_ = fields
        if ident[4:6] != b"\x02\x01" or machine not in _ARCHES:
            raise CoreError(f"a core of this machine (ELF machine {machine}) cannot be read", hint=_HINT)
        if kind != _ET_CORE:
            raise CoreError(f"this ELF file is no core (its type is {kind})", hint=_HINT)
        if size != _PHDR.size:
            raise CoreError("the core's program headers cannot be read", hint=_HINT)
        if count == _PN_XNUM:
            sections = fields[6]
            count = (
                int.from_bytes(self._data[sections + _SH_INFO : sections + _SH_INFO + 4], "little") or count
            )
        return _ARCHES[machine], count, offset

    def _segments(self, count: int, offset: int) -> tuple[Segment, ...]:
        if count > MAX_SEGMENTS:
            self._lose(f"only {MAX_SEGMENTS} of {count} program headers are read")
            count = MAX_SEGMENTS
        table = bytes(self._data[offset : offset + count * _PHDR.size])
        whole = len(table) // _PHDR.size
        if whole < count:
            self._lose(f"{count - whole} of {count} program headers lie past the end of the file")
        headers = _PHDR.iter_unpack(table[: whole * _PHDR.size])
        return tuple(
            Segment(kind=kind, flags=flags, offset=place, start=start, size=size, stored=stored)
            for kind, flags, place, start, _, stored, size, _ in headers
        )

    def _notes(self) -> Iterator[tuple[int, bytes]]:
        left = MAX_NOTES
        for segment in self.segments:
            if segment.kind != _PT_NOTE:
                continue
            size = min(segment.stored, left)
            data = bytes(self._data[segment.offset : segment.offset + size])
            if len(data) < segment.stored:
                self._lose(f"{segment.stored - len(data)} bytes of the core's notes are missing")
            left -= len(data)
            for kind, _, desc in notes_in(data, 4):
                yield kind, desc
            if not left:
                return

    @cached_property
    def _files_by_start(self) -> tuple[list[int], list[MappedRange]]:
        ordered = sorted(self.files, key=lambda item: item.start)
        return [item.start for item in ordered], ordered


@contextmanager
def open_core(path: Path) -> Generator[Core]:
    """Map a plain (not compressed) core; raises CoreError."""
    with path.open("rb") as stream:
        try:
            data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError as error:
            raise CoreError(f"{path.name} is empty", hint=_HINT) from error
        with data:
            yield Core(data)
