"""ELF core files, read defensively: every length in a core is hostile, so none is believed.

The file is mapped, never read whole; what is damaged is left out and named in `damage`. Layouts are
those of core(5), elf(5) and the kernel's include/uapi/linux/elfcore.h and fs/binfmt_elf.c.
"""

import mmap
import struct
from bisect import bisect_right
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

from orchestrator.errors import CoreError
from orchestrator.model import Arch
from orchestrator.tools.notes import build_id_of, code_of, notes_in, parse_auxv

MAX_NOTES: Final = 32 << 20
"""Bytes of notes that are read; 170 threads need 0.6 MB."""
MAX_THREADS: Final = 1 << 12
MAX_SEGMENTS: Final = 1 << 17
"""Program headers that are read: one a mapping, of which the kernel allows 65530 (vm.max_map_count)."""
MAX_MAPPINGS: Final = 1 << 16
"""Entries of NT_FILE that are read; the kernel's vm.max_map_count is 65530."""
PAGE: Final = 4096
"""How much of a mapping's start is looked at: the kernel dumps the page with the ELF header."""

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
_NT_PRSTATUS, _NT_PRPSINFO, _NT_AUXV, _NT_FILE, _NT_SIGINFO = 1, 3, 6, 0x46494C45, 0x53494749
_OTHER_NOTES: Final = frozenset({_NT_PRPSINFO, _NT_AUXV, _NT_FILE, _NT_SIGINFO})
_FILES_HEAD, _FILES_ENTRY = struct.Struct("<QQ"), struct.Struct("<QQQ")
"""NT_FILE: count and page size, then start, end and page offset of each; the names follow."""
_AT_BASE, _AT_ENTRY, _AT_EXECFN = 7, 9, 31
_PRSTATUS_SIGNAL, _PRSTATUS_PID, _PRSTATUS_REGISTERS = 12, 32, 112
"""Offsets in struct elf_prstatus, equal on both architectures."""
_PSINFO_PID: Final = 24
"""pr_pid in struct elf_prpsinfo of 64-bit Linux (include/linux/elfcore.h)."""
_REGISTERS: Final = {
    Arch.X86_64: ("r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx",
                  "rsi", "rdi", "orig_rax", "rip", "cs", "eflags", "rsp", "ss", "fs_base", "gs_base"),
    Arch.ARM64: (*(f"x{number}" for number in range(31)), "sp", "pc", "cpsr"),
}  # fmt: skip
"""The words of user_regs_struct and user_pt_regs, by gdb's names."""
_STACK_AND_PC: Final = {Arch.X86_64: ("rsp", "rip"), Arch.ARM64: ("sp", "pc")}
_MEND: Final = "give a core of a 64-bit x86_64 or arm64 process"


@dataclass(frozen=True, kw_only=True, slots=True)
class Segment:
    """A program header: memory range (`size` bytes), and the bytes of the file that hold it."""

    kind: int
    flags: int
    start: int
    size: int
    offset: int
    stored: int


@dataclass(frozen=True, kw_only=True, slots=True)
class MappedRange:
    """An entry of NT_FILE: addresses, offset in the file in bytes, and the path in the process's root."""

    start: int
    end: int
    offset: int
    path: str


@dataclass(frozen=True, kw_only=True)
class ThreadState:
    """A thread by its NT_PRSTATUS: its id in the process's own pid namespace, signal and registers."""

    tid: int
    sp: int
    pc: int
    registers: Mapping[str, int] = field(default_factory=dict)
    signal: int = 0


@dataclass(frozen=True, kw_only=True)
class MappedModule:
    """A mapped ELF file: load address, end of its last mapping, build id as the core's own page says."""

    path: str
    base: int
    end: int
    build_id: str | None


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
        threads, others = self._sorted_notes()
        self.threads = tuple(state for desc in threads if (state := self._thread(desc)))
        self.siginfo, self.psinfo = others.get(_NT_SIGINFO), others.get(_NT_PRPSINFO)
        self.auxv = parse_auxv(others.get(_NT_AUXV, b""))
        self.files = self._files(others[_NT_FILE]) if _NT_FILE in others else ()

    @property
    def process_id(self) -> int | None:
        """The process's id in its own namespace, which is its main thread's; None where no note has it."""
        raw = (self.psinfo or b"")[_PSINFO_PID : _PSINFO_PID + 4]
        return int.from_bytes(raw, "little") if len(raw) == 4 else None

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
        found: dict[str, MappedRange] = {}
        loaded: set[str] = set()
        ends: dict[str, int] = {}
        for item in self.files:
            if item.offset == 0 and item.path not in loaded and self._is_elf(item):
                runs = self._is_loaded(item)
                if runs or item.path not in found:
                    found[item.path] = item
                    ends.pop(item.path, None)
                if runs:
                    loaded.add(item.path)
            if item.path in found:
                ends[item.path] = max(ends.get(item.path, 0), item.end)
        return tuple(
            MappedModule(
                path=path, base=item.start, end=ends[path], build_id=build_id_of(self.read(item.start, PAGE))
            )
            for path, item in found.items()
        )

    @cached_property
    def _modules_by_path(self) -> dict[str, MappedModule]:
        return {module.path: module for module in self.modules}

    def module_at(self, address: int | None) -> MappedModule | None:
        """The module that an address lies in."""
        if address is None:
            return None
        starts, files = self._files_by_start
        index = bisect_right(starts, address) - 1
        if index < 0 or address >= files[index].end:
            return None
        return self._modules_by_path.get(files[index].path)

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
            raise CoreError("this file is not ELF, so it is no core", mend=_MEND)
        fields = _EHDR.unpack(head)
        ident, kind, machine, _, _, offset, _, _, _, size, count, *_ = fields
        if ident[4:6] != b"\x02\x01" or machine not in _ARCHES:
            raise CoreError(f"a core of this machine (ELF machine {machine}) cannot be read", mend=_MEND)
        if kind != _ET_CORE:
            raise CoreError(f"this ELF file is no core (its type is {kind})", mend=_MEND)
        if size != _PHDR.size:
            raise CoreError("the core's program headers cannot be read", mend=_MEND)
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

    def _sorted_notes(self) -> tuple[list[bytes], dict[int, bytes]]:
        """The threads' notes in their order, and of the other kinds that are read the first one each."""
        threads: list[bytes] = []
        others: dict[int, bytes] = {}
        for kind, desc in self._notes():
            if kind == _NT_PRSTATUS:
                threads.append(desc)
            elif kind in _OTHER_NOTES:
                others.setdefault(kind, desc)
        if len(threads) > MAX_THREADS:
            self._lose(f"only {MAX_THREADS} of {len(threads)} threads are read")
        return threads[:MAX_THREADS], others

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

    def _thread(self, desc: bytes) -> ThreadState | None:
        names = _REGISTERS[self.arch]
        if len(desc) < _PRSTATUS_REGISTERS + 8 * len(names):
            self._lose("a thread's registers are cut")
            return None
        values = struct.unpack_from(f"<{len(names)}Q", desc, _PRSTATUS_REGISTERS)
        registers = dict(zip(names, values, strict=True))
        sp, pc = _STACK_AND_PC[self.arch]
        tid = int.from_bytes(desc[_PRSTATUS_PID : _PRSTATUS_PID + 4], "little")
        number = int.from_bytes(desc[_PRSTATUS_SIGNAL : _PRSTATUS_SIGNAL + 2], "little")
        return ThreadState(tid=tid, signal=number, sp=registers[sp], pc=registers[pc], registers=registers)

    def _files(self, desc: bytes) -> tuple[MappedRange, ...]:
        if len(desc) < _FILES_HEAD.size:
            self._lose("the list of mapped files is cut")
            return ()
        count, page = _FILES_HEAD.unpack_from(desc)
        held = min(count, (len(desc) - _FILES_HEAD.size) // _FILES_ENTRY.size, MAX_MAPPINGS)
        names_at = _FILES_HEAD.size + _FILES_ENTRY.size * held
        names = desc[names_at:].split(b"\0", held)[:-1]
        if held < count or len(names) < held:
            self._lose("the list of mapped files is cut")
        ranges = _FILES_ENTRY.iter_unpack(desc[_FILES_HEAD.size : names_at])
        return tuple(
            MappedRange(start=start, end=end, offset=place * page, path=name.decode(errors="replace"))
            for (start, end, place), name in zip(ranges, names, strict=False)
        )

    def _is_elf(self, item: MappedRange) -> bool:
        """By the header page in the core; where the core does not hold it, by any executable mapping."""
        head = self.read(item.start, len(_MAGIC))
        return head == _MAGIC if head else item.path in self._executable_paths

    def _is_loaded(self, item: MappedRange) -> bool:
        """Whether a file's code is where its headers put it; else it was only mapped, as data.

        libbacktrace and Rust's std map whole files to name frames, mostly below where these are loaded.
        """
        code = code_of(self.read(item.start, PAGE))
        segment = self.segment_at(item.start + code) if code is not None else None
        return segment is not None and bool(segment.flags & PF_X)

    @cached_property
    def _executable_paths(self) -> frozenset[str]:
        executable = {load.start for load in self.loads if load.flags & PF_X}
        return frozenset(item.path for item in self.files if item.start in executable)

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
            raise CoreError(f"{path.name} is empty", mend=_MEND) from error
        with data:
            yield Core(data)
