"""ELF core files, read defensively: every length in a core is untrusted.

The file is mapped, never read whole. Damaged parts are left out and named in `damage`. Layouts are those of
core(5), elf(5) and the kernel's include/uapi/linux/elfcore.h and fs/binfmt_elf.c.
"""

import mmap
from bisect import bisect_right
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Final

from orchestrator.binary.arch import Arch
from orchestrator.binary.core.modules import MappedModule, find_modules
from orchestrator.binary.core.notes import CoreNotes, MappedRange, ThreadState, parse_notes
from orchestrator.binary.elf.headers import (
    EM_386,
    EM_AARCH64,
    EM_ARM,
    EM_X86_64,
    ET_CORE,
    PF_X,
    PT_LOAD,
    PT_NOTE,
    Bytes,
    FileHeader,
    Segment,
    is_elf,
    parse_file_header,
    parse_segments,
)
from orchestrator.binary.elf.notes import notes_in
from orchestrator.errors import CoreError

# Bytes of notes that are read; 170 threads need 0.6 MB.
MAX_NOTES: Final = 32 << 20
# Program headers that are read: one for each mapping, of which the kernel allows 65530 (vm.max_map_count).
MAX_SEGMENTS: Final = 1 << 17

_ARCHES: Final = {
    EM_X86_64: Arch.X86_64, EM_AARCH64: Arch.ARM64, EM_386: Arch.I386, EM_ARM: Arch.ARM,
}  # fmt: skip
_AT_BASE, _AT_ENTRY, _AT_EXECFN, _AT_SYSINFO_EHDR = 7, 9, 31, 33  # getauxval(3)
_HINT: Final = "give a core of an x86_64, arm64, i386 or arm process"


@dataclass(frozen=True, kw_only=True, eq=False)
class Core:
    """A core file. `open_core` gives one whose file is mapped, valid until that context ends."""

    data: Bytes = field(repr=False)
    arch: Arch
    segments: tuple[Segment, ...] = field(repr=False)
    notes: CoreNotes = field(repr=False)
    # What could not be read, in words.
    damage: tuple[str, ...] = ()
    # Modules that were found elsewhere, for a core whose notes list no mapped files (see `with_modules`).
    given_modules: tuple[MappedModule, ...] = ()

    def with_modules(self, modules: Iterable[MappedModule]) -> "Core":
        """The same core with these modules, one for each path, in place of those that its notes list."""
        return replace(self, given_modules=tuple({item.path: item for item in modules}.values()))

    @property
    def threads(self) -> tuple[ThreadState, ...]:
        """All threads; the kernel and qemu write the one that crashed first."""
        return self.notes.threads

    @property
    def auxv(self) -> Mapping[int, int]:
        """The auxiliary vector by AT_* (getauxval(3))."""
        return self.notes.auxv

    @property
    def siginfo(self) -> bytes | None:
        """The siginfo_t of the signal that ended the process, as NT_SIGINFO has it."""
        return self.notes.siginfo

    @property
    def psinfo(self) -> bytes | None:
        """The struct elf_prpsinfo of NT_PRPSINFO."""
        return self.notes.psinfo

    @property
    def process_id(self) -> int | None:
        """The process's id in its own pid namespace."""
        return self.notes.process_id

    @property
    def lists_files(self) -> bool:
        """Whether the core's own notes list the mapped files; qemu-user's do not."""
        return bool(self.notes.files)

    @cached_property
    def files(self) -> tuple[MappedRange, ...]:
        """The mapped files: those that the notes list, or the given modules."""
        if not self.given_modules:
            return self.notes.files
        return tuple(
            MappedRange(start=item.base, end=item.end, offset=0, path=item.path)
            for item in self.given_modules
        )

    @cached_property
    def loads(self) -> list[Segment]:
        """The PT_LOAD segments in the order of their addresses."""
        return sorted((s for s in self.segments if s.kind == PT_LOAD), key=lambda s: s.start)

    @cached_property
    def _starts(self) -> list[int]:
        return [segment.start for segment in self.loads]

    @cached_property
    def truncated(self) -> bool:
        """Whether the file ends before the last of its segments."""
        return any(s.offset + s.stored > len(self.data) for s in self.segments)

    def held(self, segment: Segment) -> int:
        """How many bytes of a segment the file has: fewer than `stored` in a truncated core."""
        return max(0, min(segment.stored, len(self.data) - segment.offset))

    def read(self, address: int, size: int) -> bytes:
        """Memory at the time of the dump; shorter than `size` where the core does not hold all of it."""
        segment = self.segment_at(address)
        if segment is None:
            return b""
        skip = address - segment.start
        begin = segment.offset + skip
        return bytes(self.data[begin : begin + max(0, min(size, segment.stored - skip))])

    def segment_at(self, address: int) -> Segment | None:
        """The mapping that contains an address, even where the core does not hold its memory."""
        index = bisect_right(self._starts, address) - 1
        segment = self.loads[index] if index >= 0 else None
        return segment if segment and address < segment.start + segment.size else None

    def is_code(self, address: int) -> bool:
        """Whether an address lay in an executable mapping.

        gcore(1) leaves out the mappings of code, which the kernel never does: there, a mapped file counts as
        code.
        """
        segment = self.segment_at(address)
        if segment is not None:
            return bool(segment.flags & PF_X)
        starts, files = self._files_by_start
        index = bisect_right(starts, address) - 1
        return index >= 0 and address < files[index].end

    def is_kernels(self, address: int) -> bool:
        """Whether an address is in code of the kernel's: the vdso, or above all of the process's own."""
        segment = self.segment_at(address)
        return segment is None or segment.start == self.auxv.get(_AT_SYSINFO_EHDR) or address >> 63 == 1

    def text(self, address: int, limit: int = 4096) -> str | None:
        """A C string in memory; None where it is not held, or does not end within `limit` bytes."""
        raw, end, _ = self.read(address, limit).partition(b"\0")
        return raw.decode(errors="replace") if end else None

    @property
    def invoked(self) -> str | None:
        """The path that the program was executed by: may be a link, and relative (AT_EXECFN)."""
        return self.text(self.auxv.get(_AT_EXECFN, 0))

    @property
    def entry(self) -> int | None:
        """The program's entry point as loaded (AT_ENTRY)."""
        return self.auxv.get(_AT_ENTRY)

    @property
    def loaded_at(self) -> int | None:
        """Where the dynamic loader was loaded (AT_BASE)."""
        return self.auxv.get(_AT_BASE)

    @cached_property
    def modules(self) -> tuple[MappedModule, ...]:
        """The mapped ELF files in order of first mapping; other mapped files (locales, data) are left out."""
        return self.given_modules or find_modules(self.files, self)

    def module_at(self, address: int | None) -> MappedModule | None:
        """The module that contains an address; the right copy of a file that was loaded more than once."""
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
        """The program itself: the module with the entry point."""
        return self.module_at(self.entry)

    @property
    def loader(self) -> MappedModule | None:
        """The dynamic loader; None for a static program."""
        return self.module_at(self.loaded_at)

    @cached_property
    def _files_by_start(self) -> tuple[list[int], list[MappedRange]]:
        ordered = sorted(self.files, key=lambda item: item.start)
        return [item.start for item in ordered], ordered

    @cached_property
    def _modules_by_path(self) -> dict[str, list[MappedModule]]:
        found: dict[str, list[MappedModule]] = {}
        for module in sorted(self.modules, key=lambda module: module.base):
            found.setdefault(module.path, []).append(module)
        return found


def parse_core(data: Bytes) -> Core:
    """Parse the headers and notes of a core; raises CoreError where it is no core of a known machine."""
    header = _header(data)
    damage: list[str] = []
    segments = _segments(data, header, damage)
    notes = parse_notes(_ARCHES[header.machine], _notes(data, segments, damage))
    return Core(
        data=data, arch=_ARCHES[header.machine], segments=segments, notes=notes,
        damage=tuple(dict.fromkeys([*damage, *notes.damage])),
    )  # fmt: skip


@contextmanager
def open_core(path: Path) -> Generator[Core]:
    """Map a plain (not compressed) core; raises CoreError."""
    with path.open("rb") as stream:
        try:
            data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError as error:
            raise CoreError(f"{path.name} is empty", hint=_HINT) from error
        with data:
            yield parse_core(data)


def _header(data: Bytes) -> FileHeader:
    if not is_elf(data):
        raise CoreError("this file is not ELF, so it is no core", hint=_HINT)
    header = parse_file_header(data)
    if header is None:
        raise CoreError("this is no core of a little-endian machine", hint=_HINT)
    if header.machine not in _ARCHES or _ARCHES[header.machine].wide != header.wide:
        raise CoreError(f"a core of this machine (ELF machine {header.machine}) cannot be read", hint=_HINT)
    if header.kind != ET_CORE:
        raise CoreError(f"this ELF file is no core (its type is {header.kind})", hint=_HINT)
    if not header.has_segments:
        raise CoreError("the core's program headers cannot be read", hint=_HINT)
    return header


def _segments(data: Bytes, header: FileHeader, damage: list[str]) -> tuple[Segment, ...]:
    count, wanted = header.segment_count, min(header.segment_count, MAX_SEGMENTS)
    if count > wanted:
        damage.append(f"only {MAX_SEGMENTS} of {count} program headers are read")
    segments = parse_segments(data, header, MAX_SEGMENTS)
    if len(segments) < wanted:
        damage.append(f"{wanted - len(segments)} of {wanted} program headers lie past the end of the file")
    return segments


def _notes(data: Bytes, segments: Iterable[Segment], damage: list[str]) -> Iterator[tuple[int, bytes]]:
    left = MAX_NOTES
    for segment in segments:
        if segment.kind != PT_NOTE:
            continue
        size = min(segment.stored, left)
        content = bytes(data[segment.offset : segment.offset + size])
        if len(content) < segment.stored:
            damage.append(f"{segment.stored - len(content)} bytes of the core's notes are missing")
        left -= len(content)
        for kind, _, desc in notes_in(content, 4):
            yield kind, desc
        if not left:
            return
