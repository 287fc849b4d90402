"""The notes of a core: its threads, its mapped files, and how the process was started.

Layouts are those of core(5), the kernel's include/uapi/linux/elfcore.h and fs/binfmt_elf.c.
"""

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from orchestrator.binary.arch import Arch
from orchestrator.binary.elf.notes import parse_auxv

MAX_THREADS: Final = 1 << 12
# Entries of NT_FILE that are read; the kernel's vm.max_map_count is 65530.
MAX_MAPPINGS: Final = 1 << 16

_NT_PRSTATUS, _NT_PRPSINFO, _NT_AUXV, _NT_FILE, _NT_SIGINFO = 1, 3, 6, 0x46494C45, 0x53494749
_OTHER_NOTES: Final = frozenset({_NT_PRPSINFO, _NT_AUXV, _NT_FILE, _NT_SIGINFO})
# NT_FILE: count and page size, then start, end and offset in pages of each mapping; the names follow.
_FILES_HEAD, _FILES_ENTRY = struct.Struct("<QQ"), struct.Struct("<QQQ")
# Offsets in struct elf_prstatus, equal on both architectures.
_PRSTATUS_SIGNAL, _PRSTATUS_PID, _PRSTATUS_REGISTERS = 12, 32, 112
_PSINFO_PID: Final = 24  # pr_pid in struct elf_prpsinfo of 64-bit Linux (include/linux/elfcore.h)
# The words of user_regs_struct and user_pt_regs, by gdb's names.
_REGISTERS: Final = {
    Arch.X86_64: ("r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx",
                  "rsi", "rdi", "orig_rax", "rip", "cs", "eflags", "rsp", "ss", "fs_base", "gs_base"),
    Arch.ARM64: (*(f"x{number}" for number in range(31)), "sp", "pc", "cpsr"),
}  # fmt: skip
_STACK_AND_PC: Final = {Arch.X86_64: ("rsp", "rip"), Arch.ARM64: ("sp", "pc")}
_FILES_CUT: Final = "the list of mapped files is cut off"


@dataclass(frozen=True, kw_only=True, slots=True)
class MappedRange:
    """An entry of NT_FILE: addresses, offset in the file in bytes, and path in the process's root."""

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
class CoreNotes:
    """The contents of all notes; threads in their order. `damage` says what of them is lost."""

    threads: tuple[ThreadState, ...]
    files: tuple[MappedRange, ...]
    auxv: Mapping[int, int]
    siginfo: bytes | None
    psinfo: bytes | None
    damage: tuple[str, ...]

    @property
    def process_id(self) -> int | None:
        """The process's id in its own namespace, which is its main thread's; None where no note has it."""
        raw = (self.psinfo or b"")[_PSINFO_PID : _PSINFO_PID + 4]
        return int.from_bytes(raw, "little") if len(raw) == 4 else None


def parse_notes(arch: Arch, notes: Iterable[tuple[int, bytes]]) -> CoreNotes:
    """Read notes as (type, content); of each type but a thread's only the first one counts."""
    threads: list[bytes] = []
    others: dict[int, bytes] = {}
    for kind, desc in notes:
        if kind == _NT_PRSTATUS:
            threads.append(desc)
        elif kind in _OTHER_NOTES:
            others.setdefault(kind, desc)
    states = [_thread(arch, desc) for desc in threads[:MAX_THREADS]]
    files, files_cut = parse_files(others[_NT_FILE]) if _NT_FILE in others else ((), False)
    lost = {
        f"only {MAX_THREADS} of {len(threads)} threads are read": len(threads) > MAX_THREADS,
        "a thread's registers are cut off": None in states,
        _FILES_CUT: files_cut,
    }
    return CoreNotes(
        threads=tuple(state for state in states if state),
        files=files,
        auxv=parse_auxv(others.get(_NT_AUXV, b"")),
        siginfo=others.get(_NT_SIGINFO),
        psinfo=others.get(_NT_PRPSINFO),
        damage=tuple(what for what, happened in lost.items() if happened),
    )


def parse_files(desc: bytes) -> tuple[tuple[MappedRange, ...], bool]:
    """The mapped files that an NT_FILE lists, and whether the list is cut off."""
    if len(desc) < _FILES_HEAD.size:
        return (), True
    count, page = _FILES_HEAD.unpack_from(desc)
    held = min(count, (len(desc) - _FILES_HEAD.size) // _FILES_ENTRY.size, MAX_MAPPINGS)
    names_at = _FILES_HEAD.size + _FILES_ENTRY.size * held
    names = desc[names_at:].split(b"\0", held)[:-1]
    ranges = _FILES_ENTRY.iter_unpack(desc[_FILES_HEAD.size : names_at])
    files = tuple(
        MappedRange(start=start, end=end, offset=place * page, path=name.decode(errors="replace"))
        for (start, end, place), name in zip(ranges, names, strict=False)
    )
    return files, len(files) < count


def _thread(arch: Arch, desc: bytes) -> ThreadState | None:
    names = _REGISTERS[arch]
    if len(desc) < _PRSTATUS_REGISTERS + 8 * len(names):
        return None
    values = struct.unpack_from(f"<{len(names)}Q", desc, _PRSTATUS_REGISTERS)
    registers = dict(zip(names, values, strict=True))
    sp, pc = _STACK_AND_PC[arch]
    tid = int.from_bytes(desc[_PRSTATUS_PID : _PRSTATUS_PID + 4], "little")
    number = int.from_bytes(desc[_PRSTATUS_SIGNAL : _PRSTATUS_SIGNAL + 2], "little")
    return ThreadState(tid=tid, signal=number, sp=registers[sp], pc=registers[pc], registers=registers)
