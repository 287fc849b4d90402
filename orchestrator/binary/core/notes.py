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
_FILES: Final = {
    True: (struct.Struct("<QQ"), struct.Struct("<QQQ")),
    False: (struct.Struct("<II"), struct.Struct("<III")),
}
# struct elf_prpsinfo and siginfo_t of 32-bit Linux.
_NARROW_PSINFO, _NARROW_SIGINFO = struct.Struct("<4sIHHi12s16s80s"), struct.Struct("<iiiII")
# Offsets in struct elf_prstatus: of the signal, and of the thread's id and registers by 64 bits or 32.
_PRSTATUS_SIGNAL, _PRSTATUS_PID, _PRSTATUS_REGISTERS = 12, {True: 32, False: 24}, {True: 112, False: 72}
_PSINFO_PID: Final = 24  # pr_pid in struct elf_prpsinfo of 64-bit Linux (include/linux/elfcore.h)
# The words of user_regs_struct and user_pt_regs, by gdb's names.
_REGISTERS: Final = {
    Arch.X86_64: ("r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx",
                  "rsi", "rdi", "orig_rax", "rip", "cs", "eflags", "rsp", "ss", "fs_base", "gs_base"),
    Arch.ARM64: (*(f"x{number}" for number in range(31)), "sp", "pc", "cpsr"),
    Arch.I386: ("ebx", "ecx", "edx", "esi", "edi", "ebp", "eax", "ds", "es", "fs", "gs", "orig_eax", "eip",
                "cs", "eflags", "esp", "ss"),
    Arch.ARM: (*(f"r{number}" for number in range(13)), "sp", "lr", "pc", "cpsr"),
}  # fmt: skip
_STACK_AND_PC: Final = {
    Arch.X86_64: ("rsp", "rip"), Arch.ARM64: ("sp", "pc"), Arch.I386: ("esp", "eip"), Arch.ARM: ("sp", "pc"),
}  # fmt: skip
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
    files, files_cut = parse_files(others[_NT_FILE], wide=arch.wide) if _NT_FILE in others else ((), False)
    lost = {
        f"only {MAX_THREADS} of {len(threads)} threads are read": len(threads) > MAX_THREADS,
        "a thread's registers are cut off": None in states,
        _FILES_CUT: files_cut,
    }
    return CoreNotes(
        threads=tuple(state for state in states if state),
        files=files,
        auxv=parse_auxv(others.get(_NT_AUXV, b""), wide=arch.wide),
        siginfo=others.get(_NT_SIGINFO) if arch.wide else _widened_siginfo(others.get(_NT_SIGINFO)),
        psinfo=others.get(_NT_PRPSINFO) if arch.wide else _widened_psinfo(others.get(_NT_PRPSINFO)),
        damage=tuple(what for what, happened in lost.items() if happened),
    )


def parse_files(desc: bytes, *, wide: bool = True) -> tuple[tuple[MappedRange, ...], bool]:
    """The mapped files that an NT_FILE lists, and whether the list is cut off."""
    head, entry = _FILES[wide]
    if len(desc) < head.size:
        return (), True
    count, page = head.unpack_from(desc)
    held = min(count, (len(desc) - head.size) // entry.size, MAX_MAPPINGS)
    names_at = head.size + entry.size * held
    names = desc[names_at:].split(b"\0", held)[:-1]
    ranges = entry.iter_unpack(desc[head.size : names_at])
    files = tuple(
        MappedRange(start=start, end=end, offset=place * page, path=name.decode(errors="replace"))
        for (start, end, place), name in zip(ranges, names, strict=False)
    )
    return files, len(files) < count


def _widened_siginfo(raw: bytes | None) -> bytes | None:
    """The siginfo_t of a 32-bit process as a 64-bit one has it: its union lies 4 bytes further on."""
    if raw is None or len(raw) < _NARROW_SIGINFO.size:
        return None
    number, error, code, first, second = _NARROW_SIGINFO.unpack_from(raw)
    # The union begins with an address, or with the sender's pid and uid.
    union = first | (second << 32 if code <= 0 else 0)
    return struct.pack("<iii4xQ", number, error, code, union)


def _widened_psinfo(raw: bytes | None) -> bytes | None:
    """The struct elf_prpsinfo of a 32-bit process as a 64-bit one has it."""
    if raw is None or len(raw) < _NARROW_PSINFO.size:
        return None
    state, flags, uid, gid, pid, others, name, arguments = _NARROW_PSINFO.unpack_from(raw)
    return struct.pack("<4s4xQIIi12s16s80s", state, flags, uid, gid, pid, others, name, arguments)


def _thread(arch: Arch, desc: bytes) -> ThreadState | None:
    names, size = _REGISTERS[arch], 8 if arch.wide else 4
    at, tid_at = _PRSTATUS_REGISTERS[arch.wide], _PRSTATUS_PID[arch.wide]
    if len(desc) < at + size * len(names):
        return None
    values = struct.unpack_from(f"<{len(names)}{'Q' if arch.wide else 'I'}", desc, at)
    registers = dict(zip(names, values, strict=True))
    sp, pc = _STACK_AND_PC[arch]
    tid = int.from_bytes(desc[tid_at : tid_at + 4], "little")
    number = int.from_bytes(desc[_PRSTATUS_SIGNAL : _PRSTATUS_SIGNAL + 2], "little")
    return ThreadState(tid=tid, signal=number, sp=registers[sp], pc=registers[pc], registers=registers)
