"""Call frame instructions (DWARF 5, 6.4.2): from a program to the rules that hold at one address.

The programs come out of untrusted files: what is damaged or unknown raises CfiError or ValueError, and the
numbers of rules and of remembered rows are bounded.
"""

from dataclasses import dataclass, field
from typing import Final, Literal

from orchestrator.binary.dwarf.leb128 import sleb128, uleb128

MAX_REMEMBERED: Final = 32
# Registers with a rule; no architecture here has more.
MAX_RULES: Final = 128

# DW_CFA_*, as numbered in DWARF 5, 7.24. The first three are the high two bits of a byte with an operand.
_OPERATION, _OPERAND = 0xC0, 0x3F
_ADVANCE_LOC, _OFFSET, _RESTORE = 0x40, 0x80, 0xC0
_NOP, _SET_LOC, _ADVANCE_LOC1, _ADVANCE_LOC2, _ADVANCE_LOC4 = 0x00, 0x01, 0x02, 0x03, 0x04
_OFFSET_EXTENDED, _RESTORE_EXTENDED, _UNDEFINED, _SAME_VALUE, _REGISTER = 0x05, 0x06, 0x07, 0x08, 0x09
_REMEMBER_STATE, _RESTORE_STATE = 0x0A, 0x0B
_DEF_CFA, _DEF_CFA_REGISTER, _DEF_CFA_OFFSET, _DEF_CFA_EXPRESSION = 0x0C, 0x0D, 0x0E, 0x0F
_EXPRESSION, _OFFSET_EXTENDED_SF, _DEF_CFA_SF, _DEF_CFA_OFFSET_SF = 0x10, 0x11, 0x12, 0x13
_VAL_OFFSET, _VAL_OFFSET_SF, _VAL_EXPRESSION = 0x14, 0x15, 0x16
_AARCH64_NEGATE_RA_STATE, _GNU_ARGS_SIZE = 0x2D, 0x2E

_ADVANCES: Final = {_ADVANCE_LOC1: 1, _ADVANCE_LOC2: 2, _ADVANCE_LOC4: 4}  # bytes of the operand
_CFA_DEFINITIONS: Final = frozenset(
    {_DEF_CFA, _DEF_CFA_REGISTER, _DEF_CFA_OFFSET, _DEF_CFA_EXPRESSION, _DEF_CFA_SF, _DEF_CFA_OFFSET_SF}
)
# The unwinder removes the authentication code from every return address, whatever its state.
_WITHOUT_EFFECT: Final = frozenset({_NOP, _AARCH64_NEGATE_RA_STATE})

RuleKind = Literal["offset", "val_offset", "register", "expression", "val_expression", "undefined", "same"]


class CfiError(Exception):
    """Call frame information that is damaged or not understood; never leaves the unwinder."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How the caller's value of a register is found.

    offset: it lies in memory at CFA + value. val_offset: it is CFA + value. register: it is in the register
    of the number `value`. expression: it lies at the address that `code` gives. val_expression: it is what
    `code` gives. undefined: it is lost. same: it is unchanged.
    """

    kind: RuleKind
    value: int = 0
    code: bytes = b""


@dataclass(slots=True)
class Row:
    """The rules at one address.

    The canonical frame address (CFA) is what `expression` gives, else register + offset. `rules` are those of
    the registers by their number in DWARF.
    """

    register: int = -1
    offset: int = 0
    expression: bytes | None = None
    rules: dict[int, Rule] = field(default_factory=dict)

    def copy(self) -> "Row":
        """An independent copy."""
        return Row(self.register, self.offset, self.expression, dict(self.rules))


class FrameProgram:
    """Runs the instructions of a function up to an address; the result is `row`."""

    def __init__(self, *, code_align: int, data_align: int, location: int, target: int) -> None:
        """`location` is the function's first address, `target` the address whose rules are wanted."""
        self.row = Row()
        self._initial = Row()
        self._code_align = code_align
        self._data_align = data_align
        self._location = location
        self._target = target
        self._stack: list[Row] = []
        self._data = b""
        self._place = 0

    def run_initial(self, program: bytes) -> None:
        """Run the instructions that all functions of a CIE share; `restore` goes back to their rules."""
        self.run(program)
        self._initial = self.row.copy()

    def run(self, program: bytes) -> None:
        """Run instructions until the end, or until the next row is beyond the target."""
        self._data, self._place = program, 0
        while self._place < len(program) and self._location <= self._target:
            code = program[self._place]
            self._place += 1
            operation, operand = code & _OPERATION, code & _OPERAND
            if operation == _ADVANCE_LOC:
                self._location += operand * self._code_align
            elif operation == _OFFSET:
                self._set(operand, Rule("offset", self._scaled()))
            elif operation == _RESTORE:
                self._restore(operand)
            else:
                self._extended(operand)

    def _extended(self, code: int) -> None:
        if code in _ADVANCES:
            raw = self._data[self._place : self._place + _ADVANCES[code]]
            self._place += _ADVANCES[code]
            self._location += int.from_bytes(raw, "little") * self._code_align
        elif code == _SET_LOC:
            raise CfiError("the unwind information sets its location absolutely")
        elif code in _CFA_DEFINITIONS:
            self._define_cfa(code)
        elif code in (_REMEMBER_STATE, _RESTORE_STATE):
            self._remember(code)
        elif code == _GNU_ARGS_SIZE:
            self._leb()
        elif code not in _WITHOUT_EFFECT:
            self._register_rule(code)

    def _define_cfa(self, code: int) -> None:
        if code == _DEF_CFA_EXPRESSION:
            self.row.expression = self._block()
            return
        if code in (_DEF_CFA, _DEF_CFA_REGISTER, _DEF_CFA_SF):
            self.row.register, self.row.expression = self._leb(), None
        if code in (_DEF_CFA, _DEF_CFA_OFFSET):
            self.row.offset = self._leb()
        elif code in (_DEF_CFA_SF, _DEF_CFA_OFFSET_SF):
            self.row.offset = self._scaled(sign=True)

    def _remember(self, code: int) -> None:
        if code == _REMEMBER_STATE:
            if len(self._stack) >= MAX_REMEMBERED:
                raise CfiError("the unwind information remembers too many rows")
            self._stack.append(self.row.copy())
        elif self._stack:
            self.row = self._stack.pop()
        else:
            raise CfiError("the unwind information restores a row that it never remembered")

    def _register_rule(self, code: int) -> None:
        number = self._leb()
        if len(self.row.rules) > MAX_RULES:
            raise CfiError("the unwind information has rules for too many registers")
        if code in (_OFFSET_EXTENDED, _OFFSET_EXTENDED_SF):
            self._set(number, Rule("offset", self._scaled(sign=code == _OFFSET_EXTENDED_SF)))
        elif code in (_VAL_OFFSET, _VAL_OFFSET_SF):
            self._set(number, Rule("val_offset", self._scaled(sign=code == _VAL_OFFSET_SF)))
        elif code == _RESTORE_EXTENDED:
            self._restore(number)
        elif code in (_UNDEFINED, _SAME_VALUE):
            self._set(number, Rule("undefined" if code == _UNDEFINED else "same"))
        elif code == _REGISTER:
            self._set(number, Rule("register", self._leb()))
        elif code in (_EXPRESSION, _VAL_EXPRESSION):
            kind: RuleKind = "expression" if code == _EXPRESSION else "val_expression"
            self._set(number, Rule(kind, code=self._block()))
        else:
            raise CfiError(f"the unwind information has the unknown instruction {code:#x}")

    def _set(self, number: int, rule: Rule) -> None:
        self.row.rules[number] = rule

    def _restore(self, number: int) -> None:
        if number in self._initial.rules:
            self._set(number, self._initial.rules[number])
        else:
            self.row.rules.pop(number, None)

    def _block(self) -> bytes:
        size = self._leb()
        block = self._data[self._place : self._place + size]
        self._place += size
        return block

    def _scaled(self, *, sign: bool = False) -> int:
        """An offset in units of the data alignment."""
        return self._leb(sign=sign) * self._data_align

    def _leb(self, *, sign: bool = False) -> int:
        value, self._place = (sleb128 if sign else uleb128)(self._data, self._place)
        return value
