"""Where a function of x86-64 has its frame, worked out from its instructions.

Code without call frame information (musl, hand-written functions) moves the stack pointer in few ways, which
are counted from the function's start to an address in it: what lies between an early return and the code
behind it has the depth that held before that return. The result is a conjecture; whoever uses it compares the
return address at that place with the call of the function.
"""

import re
from dataclasses import dataclass, field
from typing import Final

from orchestrator.binary.disasm import MAX_FUNCTION, Decoded, decode

SAVED: Final = ("rbx", "rbp", "r12", "r13", "r14", "r15")
"""Registers that a function restores before it returns (System V ABI)."""
_NUMBER: Final = re.compile(r"rsp, (0x[0-9a-f]+|\d+)")
_ADDRESS: Final = re.compile(r"rsp, \[rsp ([+-]) (0x[0-9a-f]+|\d+)\]")
_WORD: Final = 8


@dataclass(kw_only=True)
class Frame:
    """A frame at some address of its function, in bytes below its return address.

    `depth` is that of the stack pointer, None where it is not known; `pointer` is that of rbp where rbp is
    the frame pointer. `saved` has where the caller's registers were pushed.
    """

    depth: int | None = 0
    pointer: int | None = None
    saved: dict[str, int] = field(default_factory=dict)

    def entry(self, sp: int, rbp: int | None) -> int | None:
        """The address of the return address, for these registers."""
        if self.pointer is not None and rbp is not None:
            return rbp + self.pointer
        return None if self.depth is None else sp + self.depth


def frame_at(code: bytes, start: int, pc: int) -> Frame | None:
    """The frame at `pc` of the function that begins at `start`; `code` are the bytes between them.

    None where decoding does not arrive at the pc.
    """
    if not 0 <= pc - start <= MAX_FUNCTION or len(code) != pc - start:
        return None
    frame = Frame()
    before: Frame | None = None
    end = start
    for item in decode(code, start):
        end = item.address + item.size
        if _leaves(item):
            frame, before = before or frame, None
            continue
        if before is None and _shrinks(item):
            before = Frame(depth=frame.depth, pointer=frame.pointer, saved=dict(frame.saved))
        _follow(frame, item)
    return frame if end == pc else None


def _leaves(item: Decoded) -> bool:
    return item.mnemonic in ("ret", "jmp", "ud2", "hlt", "bnd ret", "bnd jmp", "notrack jmp", "repz ret")


def _shrinks(item: Decoded) -> bool:
    return item.mnemonic in ("pop", "leave") or (item.mnemonic == "add" and item.operands.startswith("rsp, "))


def _follow(frame: Frame, item: Decoded) -> None:
    """Change a frame as an instruction does."""
    name, operands = item.mnemonic, item.operands
    if name == "leave":
        frame.depth = None if frame.pointer is None else frame.pointer - _WORD
        frame.pointer = None
    elif name == "mov" and operands == "rbp, rsp":
        frame.pointer = frame.depth
    elif name == "mov" and operands == "rsp, rbp":
        frame.depth = frame.pointer
    elif frame.depth is None:
        return
    elif name == "push":
        frame.depth += _WORD
        if operands in SAVED:
            frame.saved.setdefault(operands, frame.depth)
    elif name == "pop":
        frame.depth -= _WORD
        if operands == "rbp":
            frame.pointer = None
    elif operands.startswith("rsp, "):
        frame.depth = _moved(frame.depth, name, operands)


def _moved(depth: int, name: str, operands: str) -> int | None:
    if name in ("sub", "add") and (number := _NUMBER.fullmatch(operands)):
        return depth + int(number[1], 0) * (1 if name == "sub" else -1)
    if name == "lea" and (address := _ADDRESS.fullmatch(operands)):
        return depth + int(address[2], 0) * (1 if address[1] == "-" else -1)
    return depth if name in ("cmp", "test") else None
