"""DWARF expressions, as in call frame information (DWARF 5, 2.5): a stack machine, with limits.

They come out of untrusted files, so the number of steps and the depth of the stack are bounded. Damaged and
unknown operations raise ExpressionError, and the unwinding ends there.
"""

from collections.abc import Callable, Mapping
from typing import Final

from orchestrator.binary.dwarf.leb128 import sleb128, uleb128

MAX_STEPS: Final = 1000
MAX_STACK: Final = 64
MASK: Final = (1 << 64) - 1

# DW_OP_*, as numbered in DWARF 5, 7.7.1.
_DUP, _DROP, _OVER, _PICK, _SWAP, _ROT = 0x12, 0x13, 0x14, 0x15, 0x16, 0x17
_DEREF, _DEREF_SIZE, _NOP = 0x06, 0x94, 0x96
_BRANCH, _SKIP, _PLUS_CONSTANT = 0x28, 0x2F, 0x23
_LITERALS, _BREGS, _BREGX = range(0x30, 0x50), range(0x70, 0x90), 0x92
# DW_OP_addr and DW_OP_const1u to const8s: bytes of the operand, and whether it is signed.
_CONSTANTS: Final = {
    0x03: (8, False), 0x08: (1, False), 0x09: (1, True), 0x0A: (2, False), 0x0B: (2, True),
    0x0C: (4, False), 0x0D: (4, True), 0x0E: (8, False), 0x0F: (8, True),
}  # fmt: skip
_CONST_U, _CONST_S = 0x10, 0x11  # DW_OP_constu, DW_OP_consts: a LEB128 number


class ExpressionError(Exception):
    """A damaged, endless or unknown expression; never leaves the unwinder."""


def signed(value: int) -> int:
    """A 64-bit number as a signed one."""
    return value - (1 << 64) if value >> 63 else value


def _divide(left: int, right: int) -> int:
    """The quotient truncated towards zero, as in C; 0 for a division by zero."""
    if not right:
        return 0
    quotient = abs(left) // abs(right)
    return quotient if (left < 0) == (right < 0) else -quotient


# DW_OP_abs, neg, not.
_UNARY: Final[Mapping[int, Callable[[int], int]]] = {
    0x19: lambda a: abs(signed(a)),
    0x1F: lambda a: -a,
    0x20: lambda a: ~a,
}
# DW_OP_and, div, minus, mod, mul, or, plus, shl, shr, shra, xor, and eq, ge, gt, le, lt, ne.
_BINARY: Final[Mapping[int, Callable[[int, int], int]]] = {
    0x1A: lambda a, b: a & b,
    0x1B: lambda a, b: _divide(signed(a), signed(b)),
    0x1C: lambda a, b: a - b,
    0x1D: lambda a, b: a % b if b else 0,
    0x1E: lambda a, b: a * b,
    0x21: lambda a, b: a | b,
    0x22: lambda a, b: a + b,
    0x24: lambda a, b: a << b if b < 64 else 0,
    0x25: lambda a, b: a >> b if b < 64 else 0,
    0x26: lambda a, b: signed(a) >> min(b, 63),
    0x27: lambda a, b: a ^ b,
    0x29: lambda a, b: signed(a) == signed(b),
    0x2A: lambda a, b: signed(a) >= signed(b),
    0x2B: lambda a, b: signed(a) > signed(b),
    0x2C: lambda a, b: signed(a) <= signed(b),
    0x2D: lambda a, b: signed(a) < signed(b),
    0x2E: lambda a, b: signed(a) != signed(b),
}


class StackMachine:
    """Evaluates one expression; `read` gives a number of so many bytes in memory, or None."""

    def __init__(
        self, code: bytes, registers: Mapping[int, int], read: Callable[[int, int], int | None]
    ) -> None:
        self._code = code
        self._registers = registers
        self._read = read
        self._stack: list[int] = []
        self._place = 0

    def evaluate(self, *initial: int) -> int:
        """The value on top of the stack at the end; raises ExpressionError."""
        self._stack = list(initial)
        for _ in range(MAX_STEPS):
            if self._place >= len(self._code):
                return self._pop()
            self._step()
            if len(self._stack) > MAX_STACK:
                raise ExpressionError("an expression's stack overflows")
        raise ExpressionError("an expression has no end")

    def _step(self) -> None:
        code = self._operand(1)
        if code in _LITERALS:
            self._push(code - _LITERALS.start)
        elif code in _BREGS:
            self._push(self._register(code - _BREGS.start) + self._leb(sign=True))
        elif code in _CONSTANTS:
            size, sign = _CONSTANTS[code]
            self._push(self._operand(size, sign=sign))
        elif code in _UNARY:
            self._push(_UNARY[code](self._pop()))
        elif code in _BINARY:
            right = self._pop()
            self._push(_BINARY[code](self._pop(), right))
        else:
            self._special(code)

    def _special(self, code: int) -> None:
        if code == _BREGX:
            number = self._leb()
            self._push(self._register(number) + self._leb(sign=True))
        elif code in (_CONST_U, _CONST_S):
            self._push(self._leb(sign=code == _CONST_S))
        elif code == _PLUS_CONSTANT:
            self._push(self._pop() + self._leb())
        elif code in (_DEREF, _DEREF_SIZE):
            self._push(self._load(8 if code == _DEREF else self._operand(1)))
        elif code in (_SKIP, _BRANCH):
            offset = self._operand(2, sign=True)
            if code == _SKIP or self._pop():
                self._place = max(0, self._place + offset)
        elif code != _NOP:
            self._shuffle(code)

    def _shuffle(self, code: int) -> None:
        if code in (_DUP, _OVER, _PICK):
            depth = {_DUP: 0, _OVER: 1}.get(code)
            depth = self._operand(1) if depth is None else depth
            if depth >= len(self._stack):
                raise ExpressionError("an expression's stack is too short")
            self._push(self._stack[-1 - depth])
        elif code == _DROP:
            self._pop()
        elif code in (_SWAP, _ROT):
            count = 2 if code == _SWAP else 3
            if len(self._stack) < count:
                raise ExpressionError("an expression's stack is too short")
            self._stack[-count:] = [self._stack[-1], *self._stack[-count:-1]]
        else:
            raise ExpressionError(f"an expression has the unknown operation {code:#x}")

    def _load(self, size: int) -> int:
        value = self._read(self._pop(), size) if 0 < size <= 8 else None
        if value is None:
            raise ExpressionError("an expression reads memory that the core does not hold")
        return value

    def _register(self, number: int) -> int:
        if number not in self._registers:
            raise ExpressionError(f"an expression reads register {number}, which is unknown")
        return self._registers[number]

    def _operand(self, size: int, *, sign: bool = False) -> int:
        raw = self._code[self._place : self._place + size]
        if len(raw) < size:
            raise ExpressionError("an expression ends within an operand")
        self._place += size
        return int.from_bytes(raw, "little", signed=sign)

    def _leb(self, *, sign: bool = False) -> int:
        try:
            value, self._place = (sleb128 if sign else uleb128)(self._code, self._place)
        except ValueError as error:
            raise ExpressionError(str(error)) from error
        return value

    def _push(self, value: int) -> None:
        self._stack.append(value & MASK)

    def _pop(self) -> int:
        if not self._stack:
            raise ExpressionError("an expression's stack is too short")
        return self._stack.pop()
