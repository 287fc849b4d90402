"""Disassembly, with the values of operands; the one module that uses capstone.

The registers of a core are those before the instruction at the pc, so only that instruction's operands have
values.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import capstone
from capstone import arm64, x86

from orchestrator.binary.arch import Arch

# Memory of the process by address and size; shorter than the size where it is unknown.
Reader = Callable[[int, int], bytes]

# Instructions before and after the pc.
BEFORE, AFTER = 6, 4
# Bytes from a function's start to the pc that are decoded to find where instructions begin.
MAX_FUNCTION: Final = 1 << 16
# Bytes of the longest x86 instruction; those of arm64 have 4.
LONGEST: Final = 15
_MASK: Final = (1 << 64) - 1
_WORD: Final = 8


@dataclass(frozen=True, kw_only=True)
class Operand:
    """An operand of the instruction at the pc.

    `value` is that of a register, or of memory (None where the core does not hold it). Of memory, `name` is
    the operand as written, `address` its effective address, and `size` its bytes.
    """

    name: str
    value: int | None
    address: int | None = None
    writes: bool = False
    size: int = 0


@dataclass(frozen=True, kw_only=True)
class Instruction:
    """A decoded instruction; only the one at the pc (`current`) has `operands`."""

    address: int
    text: str
    current: bool = False
    operands: tuple[Operand, ...] = ()

    @property
    def mnemonic(self) -> str:
        """The first word of the instruction: its name, or its prefix, as in `rep movsb`."""
        return self.text.partition(" ")[0]

    @property
    def note(self) -> str | None:
        """The operands' values in one line, such as `rax=0x0; [rax + 0x60] → 0x60, unreadable`."""
        parts = [_describe(operand) for operand in self.operands]
        return "; ".join(parts) or None


@dataclass(frozen=True, slots=True)
class Decoded:
    """An instruction without its meaning: its mnemonic, and its operands in Intel's syntax."""

    address: int
    size: int
    mnemonic: str
    operands: str


def decode(code: bytes, start: int) -> Iterator[Decoded]:
    """The instructions of x86-64 code at an address, up to the first that is none."""
    for item in _engine(Arch.X86_64).disasm_lite(code, start):
        yield Decoded(*item)


def disassemble(
    arch: Arch, pc: int, registers: Mapping[str, int], read: Reader, *, start: int | None = None
) -> tuple[Instruction, ...]:
    """The instructions around `pc`; empty where the code there is unknown, and of a 32-bit process.

    `start` is the function's first address: x86 instructions have no fixed length, so those before the pc can
    only be decoded from there.
    """
    if not arch.wide:
        return ()
    engine = _engine(arch)
    after = list(engine.disasm(read(pc, LONGEST * (AFTER + 1)), pc, AFTER + 1))
    if not after:
        return ()
    before = _before(engine, arch, pc, start, read)
    here = Instruction(
        address=pc, text=_text(after[0]), current=True,
        operands=tuple(_operands(arch, after[0], registers, read)),
    )  # fmt: skip
    return (
        *(Instruction(address=item.address, text=_text(item)) for item in before),
        here,
        *(Instruction(address=item.address, text=_text(item)) for item in after[1:]),
    )


def instruction_at(arch: Arch, pc: int, registers: Mapping[str, int], read: Reader) -> Instruction | None:
    """The instruction at `pc` alone; None where the code there is unknown."""
    return next((item for item in disassemble(arch, pc, registers, read) if item.current), None)


def _engine(arch: Arch) -> capstone.Cs:
    if arch == Arch.X86_64:
        engine = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    else:
        engine = capstone.Cs(capstone.CS_ARCH_ARM64, capstone.CS_MODE_LITTLE_ENDIAN)
    engine.detail = True
    return engine


def _before(
    engine: capstone.Cs, arch: Arch, pc: int, start: int | None, read: Reader
) -> list[capstone.CsInsn]:
    if arch == Arch.ARM64:
        earliest = pc - 4 * BEFORE
        start = earliest if start is None else max(start, earliest)
        start = next((at for at in range(start, pc, 4) if read(at, 4)), None)
    if start is None or not 0 < pc - start <= MAX_FUNCTION:
        return []
    code = read(start, pc - start)
    lite = list(engine.disasm_lite(code, start)) if len(code) == pc - start else []
    starts = [address for address, *_ in lite]
    if not lite or lite[-1][0] + lite[-1][1] != pc:
        return []  # Decoding from the start does not arrive at the pc: `start` is wrong.
    first = starts[-BEFORE:][0]
    return list(engine.disasm(code[first - start :], first))


def _text(item: capstone.CsInsn) -> str:
    return f"{item.mnemonic} {item.op_str}".strip()


def _operands(
    arch: Arch, item: capstone.CsInsn, registers: Mapping[str, int], read: Reader
) -> Iterator[Operand]:
    """The registers that are read, each once, and the memory operands."""
    seen: set[str] = set()
    reads, _ = item.regs_access()
    for number in reads:
        name, value = _register(arch, item.reg_name(number), registers)
        if value is not None and name not in seen and not name.endswith("flags"):
            seen.add(name)
            yield Operand(name=name, value=value)
    yield from _stack_slot(arch, item, registers, read)
    for operand in item.operands:
        address = _address(arch, item, operand, registers)
        if address is not None:
            size = min(getattr(operand, "size", _WORD) or _WORD, _WORD)
            held = read(address, size)
            yield Operand(
                name=_memory_text(item),
                address=address,
                value=int.from_bytes(held, "little") if len(held) == size else None,
                writes=_writes(arch, item, operand),
                size=getattr(operand, "size", 0),
            )


def _stack_slot(
    arch: Arch, item: capstone.CsInsn, registers: Mapping[str, int], read: Reader
) -> Iterator[Operand]:
    """The memory that x86's push, call, pop and ret use implicitly: where a stack overflows."""
    offset = {"push": -_WORD, "call": -_WORD, "pop": 0, "ret": 0}.get(item.mnemonic)
    if arch != Arch.X86_64 or offset is None or "rsp" not in registers:
        return
    address = (registers["rsp"] + offset) & _MASK
    held = read(address, _WORD)
    yield Operand(
        name="[rsp - 8]" if offset else "[rsp]",
        address=address,
        value=int.from_bytes(held, "little") if len(held) == _WORD else None,
        writes=bool(offset),
        size=_WORD,
    )


def _register(arch: Arch, name: str, registers: Mapping[str, int]) -> tuple[str, int | None]:
    """Name and value of a register as an instruction names it; of a part (`eax`), the part's value."""
    if arch == Arch.ARM64:
        whole = {"fp": "x29", "lr": "x30", "wsp": "sp"}.get(name, name)
        if whole in ("xzr", "wzr"):
            return name, 0
        if whole[0] == "w" and whole[1:].isdigit():
            value = registers.get("x" + whole[1:])
            return name, None if value is None else value & 0xFFFFFFFF
        return name, registers.get(whole)
    if name in registers:
        return name, registers[name]
    whole, mask = _X86_PARTS.get(name, (name, _MASK))
    return name, registers[whole] & mask if whole in registers else None


def _x86_parts() -> dict[str, tuple[str, int]]:
    parts: dict[str, tuple[str, int]] = {}
    for letter in "abcd":
        parts |= {f"e{letter}x": (f"r{letter}x", 0xFFFFFFFF), f"{letter}x": (f"r{letter}x", 0xFFFF)}
        parts[f"{letter}l"] = (f"r{letter}x", 0xFF)
    for name in ("si", "di", "bp", "sp"):
        parts |= {f"e{name}": (f"r{name}", 0xFFFFFFFF), name: (f"r{name}", 0xFFFF)}
        parts[f"{name}l"] = (f"r{name}", 0xFF)
    for number in range(8, 16):
        for letter, mask in (("d", 0xFFFFFFFF), ("w", 0xFFFF), ("b", 0xFF)):
            parts[f"r{number}{letter}"] = (f"r{number}", mask)
    return parts


_X86_PARTS: Final = _x86_parts()


def _address(
    arch: Arch, item: capstone.CsInsn, operand: capstone.x86.X86Op, registers: Mapping[str, int]
) -> int | None:
    """The effective address of a memory operand; None for any other, or where a register is unknown."""
    memory = x86.X86_OP_MEM if arch == Arch.X86_64 else arm64.ARM64_OP_MEM
    if operand.type != memory or item.mnemonic.startswith(("lea", "nop")):
        return None
    total = int(operand.mem.disp)
    for number, scale in ((operand.mem.base, 1), (operand.mem.index, _scale(arch, operand))):
        if not number:
            continue
        name = item.reg_name(number)
        value = item.address + item.size if name == "rip" else _register(arch, name, registers)[1]
        if value is None:
            return None
        total += value * scale
    if arch == Arch.X86_64 and operand.mem.segment in (x86.X86_REG_FS, x86.X86_REG_GS):
        segment = registers.get(f"{item.reg_name(operand.mem.segment)}_base")
        if segment is None:
            return None
        total += segment
    return total & _MASK


def _scale(arch: Arch, operand: capstone.x86.X86Op) -> int:
    if arch == Arch.X86_64:
        return max(1, int(operand.mem.scale))
    return 1 << operand.shift.value if operand.shift.type else 1


def _writes(arch: Arch, item: capstone.CsInsn, operand: capstone.x86.X86Op) -> bool:
    if arch == Arch.ARM64:
        return bool(item.mnemonic.startswith("st"))
    return bool(operand.access & capstone.CS_AC_WRITE)


def _memory_text(item: capstone.CsInsn) -> str:
    begin, end = item.op_str.find("["), item.op_str.rfind("]")
    if begin >= 3 and item.op_str[begin - 1] == ":":
        begin -= 3  # fs:[0x28]
    return item.op_str[begin : end + 1] if 0 <= begin < end else "memory"


def _describe(operand: Operand) -> str:
    if operand.address is None:
        return f"{operand.name}={operand.value:#x}"
    there = "not in the core" if operand.value is None else f"holds {operand.value:#x}"
    return f"{operand.name} → {operand.address:#x}, {there}"
