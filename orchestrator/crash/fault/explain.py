"""What a fault's address means, in words, by the core's mappings, the registers and the siginfo.

Each rule states only what these facts prove; where no rule applies, no meaning is given.
"""

import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from orchestrator.binary.core.corefile import Core
from orchestrator.binary.disasm import Instruction, Operand
from orchestrator.binary.elf.headers import Segment
from orchestrator.crash.fault.siginfo import Fault
from orchestrator.model import Arch

NEAR: Final = 1 << 16
"""Bytes at address 0 that Linux lets nobody map (vm.mmap_min_addr)."""
GUARD: Final = 1 << 20
"""Bytes below a stack within which an access counts as an overflow: the size of the kernel's guard gap."""
CANONICAL: Final = {Arch.X86_64: 47, Arch.ARM64: 48, Arch.I386: 32, Arch.ARM: 32}
"""Bits of an address that a process can have; x86's with five levels are only given on request."""
FILLS: Final = {
    0xDD: "CPython's debug allocator fills freed memory with 0xdd",
    0xCD: "CPython's debug allocator fills new memory with 0xcd",
    0xFD: "CPython's debug allocator puts 0xfd around its blocks",
    0x5A: "jemalloc fills freed memory with 0x5a",
}
"""Include/internal/pycore_pymem.h; jemalloc's opt.junk."""
_GOING: Final = ("call", "jmp", "ret")
"""Instructions whose operand's value is the address that they branch to."""
_VECTORS: Final = (16, 32, 64)
_FREE: Final = ("movu", "movdqu", "lddqu", "pcmpestr", "pcmpistr")
"""Instructions of SSE that take memory of any alignment; all others need it aligned."""
_AVX_ALIGNED: Final = ("vmova", "vmovdqa", "vmovnt")
"""Those of AVX that need it aligned; all others do not."""
OVERFLOWED: Final = "the stack overflowed"
_PAGE: Final = 4096
_READ, _WRITE, _EXECUTE = 4, 2, 1
_WORD: Final = 8


@dataclass(frozen=True, kw_only=True)
class _Scene:
    core: Core
    fault: Fault
    registers: Mapping[str, int]
    at: Instruction | None = None

    @property
    def pc(self) -> int | None:
        return next((self.registers[name] for name in ("rip", "pc", "eip") if name in self.registers), None)

    @property
    def sp(self) -> int | None:
        return next((self.registers[name] for name in ("rsp", "sp", "esp") if name in self.registers), None)


def explain_fault(
    core: Core, fault: Fault, registers: Mapping[str, int], at: Instruction | None = None
) -> str | None:
    """What the address of a SIGSEGV or SIGBUS means; None for other signals, or if no rule applies.

    `registers` are those at the original fault, by gdb's names, and `at` is the instruction there.
    """
    if fault.number not in (signal.SIGSEGV, signal.SIGBUS) or fault.code in (
        "SI_USER",
        "SI_TKILL",
        "SI_QUEUE",
    ):
        return None
    scene = _Scene(core=core, fault=fault, registers=registers, at=at)
    said = next((words for rule in _RULES if (words := rule(scene))), None)
    hints = [hint for hint in _hints(scene) if said is None or hint not in said]
    return "; ".join([*([said] if said else []), *hints]) or None


def overflowed(core: Core, fault: Fault, registers: Mapping[str, int]) -> bool:
    """Whether a stack overflow caused a fault."""
    return (explain_fault(core, fault, registers) or "").startswith(OVERFLOWED)


def _jump(scene: _Scene) -> str | None:
    pc, address = scene.pc, scene.fault.address
    segment = scene.core.segment_at(pc) if pc is not None else None
    if pc is None or scene.core.is_code(pc) or address not in (pc, None):
        return None
    if pc < NEAR:
        return f"a call or jump through a NULL pointer, to {pc:#x}"
    if segment is None:
        return f"a call or jump to {pc:#x}, where nothing is mapped (any more)"
    return f"a call or jump to {pc:#x}, which is not executable: {_place(scene.core, segment)}"


def _untold_address(scene: _Scene) -> str | None:
    """Why the CPU reported no address, as far as an operand of the instruction explains it."""
    untold = scene.fault.code == "SI_KERNEL" or (scene.fault.code is None and scene.fault.derived)
    if scene.fault.address is not None or not untold or scene.at is None:
        return None
    used = [operand for operand in scene.at.operands if operand.address is not None]
    wild = [f"{item.name} → {item.address:#x}" for item in used if _is_wild(scene, item.address)]
    if not wild and scene.at.mnemonic in _GOING:
        read = [item for item in scene.at.operands if not item.writes]
        wild = [f"{item.name}={item.value:#x}" for item in read if _is_wild(scene, item.value)]
    if wild:
        return f"an address that no process can have, so the CPU told none: {', '.join(wild)}"
    return _not_aligned(scene.at, used)


def _not_aligned(at: Instruction, used: Sequence[Operand]) -> str | None:
    """The operand that has to be aligned to its size and is not, in words."""
    avx = at.mnemonic.startswith("v")
    needs = at.mnemonic.startswith(_AVX_ALIGNED) if avx else not at.mnemonic.startswith(_FREE)
    vectors = (item for item in used if needs and item.size in _VECTORS)
    item = next((item for item in vectors if (item.address or 0) % item.size), None)
    if item is None:
        return None
    said = f"an address that is not aligned to {item.size} bytes, as the instruction needs it"
    return f"{said}: {item.name} → {item.address:#x}"


def _near_null(scene: _Scene) -> str | None:
    address = scene.fault.address
    if address is None:
        return None
    if address < NEAR:
        return f"near NULL: {address:#x} bytes from a NULL pointer"
    if address >= (1 << 64) - NEAR:
        return f"near NULL: {(1 << 64) - address:#x} bytes before a NULL pointer"
    return None


def _stack_guard(scene: _Scene) -> str | None:
    address, sp = scene.fault.address, scene.sp
    if address is None or sp is None or abs(address - sp) > GUARD:
        return None
    here = scene.core.segment_at(address)
    if here and here.flags & _WRITE:
        return None
    above = (load for load in scene.core.loads if load.start > address)
    stack = next((load for load in above if load.flags & _WRITE), None)
    if stack is None or stack.start - address > GUARD or scene.core.module_at(stack.start):
        return None
    if sp >= stack.start + _PAGE:
        return None  # This stack has room: something else reached the guard, such as a buffer overrun.
    return (
        f"{OVERFLOWED}: {stack.start - address:#x} bytes below a stack mapping of "
        f"{stack.size >> 10} KiB, in its guard"
    )


def _bus(scene: _Scene) -> str | None:
    if scene.fault.number != signal.SIGBUS:
        return None
    if scene.fault.code == "BUS_ADRALN":
        return "an address that is not aligned as the instruction needs it"
    return "mapped, but no memory is behind it: most often a mapped file that is shorter than its mapping"


def _not_mapped(scene: _Scene) -> str | None:
    address, core = scene.fault.address, scene.core
    if address is None or core.segment_at(address):
        return None
    if address >> CANONICAL[core.arch]:
        return f"{address:#x} is no address that a process can have"
    below = core.segment_at(address - _PAGE)
    if below:
        past = address - below.start - below.size
        return f"not mapped: {past:#x} bytes past the end of {_place(core, below)}"
    return "not mapped"


def _not_allowed(scene: _Scene) -> str | None:
    address = scene.fault.address
    segment = scene.core.segment_at(address) if address is not None else None
    if segment is None:
        return None
    place = _place(scene.core, segment)
    if not segment.flags & _READ:
        return f"mapped without any access (a guard or reserved memory): {place}"
    if not segment.flags & _WRITE:
        return f"a write to memory that is read-only: {place}"
    return f"mapped and writable: {place}"


_RULES: Final[tuple[Callable[[_Scene], str | None], ...]] = (
    _jump, _untold_address, _near_null, _stack_guard, _bus, _not_mapped, _not_allowed,
)  # fmt: skip


def _hints(scene: _Scene) -> Iterator[str]:
    """Signs of freed heap memory in the registers that may have led to the fault."""
    seen: set[str] = set()
    for name, value in (("the address", scene.fault.address or 0), *_pointers(scene)):
        high = value.to_bytes(_WORD, "little")[2:6]
        if len(set(high)) == 1 and high[0] in FILLS and FILLS[high[0]] not in seen:
            seen.add(FILLS[high[0]])
            yield f"{name} looks like {value:#x}: {FILLS[high[0]]}"
    freed = [name for name, value in _pointers(scene) if _is_freed_chunk(scene.core, value)]
    if freed:
        yield f"{', '.join(freed)} looks like a freed block of glibc's heap (it is linked into main_arena)"
    linked = [name for name, value in _pointers(scene) if _is_mangled_link(scene, value)]
    if linked:
        yield (
            f"the address is the link that glibc leaves in a freed block, mangled with where it lies "
            f"({', '.join(linked)} points there): a pointer was read from freed memory"
        )


def _is_mangled_link(scene: _Scene, place: int) -> bool:
    """Whether the fault's address is malloc's link from `place` to another free block, or to none.

    Since 2.32 glibc stores it as the link XOR the upper 52 bits of the place (PROTECT_PTR in malloc.c),
    so that following it is most often a fault at the number of a page.
    """
    core, address = scene.core, scene.fault.address
    if address is None or not _is_heap(core, place):
        return False
    link = (place >> 12) ^ address
    return link == 0 or (link % 16 == 0 and _is_heap(core, link))


def _is_heap(core: Core, address: int) -> bool:
    """Whether an address lies in writable memory of no file."""
    segment = core.segment_at(address)
    return bool(segment and segment.flags & _WRITE and not core.module_at(address))


def _is_freed_chunk(core: Core, address: int) -> bool:
    """Whether a block begins as glibc leaves one in a list of free ones: two links into libc's own data."""
    segment = core.segment_at(address)
    raw = core.read(address, 2 * _WORD) if segment and segment.flags & _WRITE and address % 16 == 0 else b""
    if len(raw) < 2 * _WORD or core.module_at(address):
        return False
    links = [int.from_bytes(raw[at : at + _WORD], "little") for at in (0, _WORD)]
    return all(_is_arena(core, link) for link in links)


def _is_arena(core: Core, address: int) -> bool:
    module, segment = core.module_at(address), core.segment_at(address)
    named = module is not None and module.path.rpartition("/")[2].startswith(("libc.so", "libc-2"))
    return bool(named and segment and segment.flags & _WRITE and address % 16 == 0)


def _pointers(scene: _Scene) -> Iterator[tuple[str, int]]:
    """The registers from which an address may be computed."""
    skipped = ("rip", "pc", "eflags", "cpsr", "cs", "ss", "orig_rax", "fs_base", "gs_base")
    return ((name, value) for name, value in scene.registers.items() if name not in skipped)


def _is_wild(scene: _Scene, value: int | None) -> bool:
    if value is None:
        return False
    high = value >> CANONICAL[scene.core.arch]
    return high not in (0, (1 << 64) - 1 >> CANONICAL[scene.core.arch])


def _place(core: Core, segment: Segment) -> str:
    module = core.module_at(segment.start)
    name = module.path if module else "memory of no file"
    return f"{name} at {segment.start:#x}"
