"""Call frame instructions: the row that each leaves, in the numbers of DWARF 5, 6.4.2 and 7.24."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.binary.dwarf.cfi_program import MAX_REMEMBERED, MAX_RULES, CfiError, FrameProgram, Row, Rule

START = bytes([0x0C, 7, 8])
"""DW_CFA_def_cfa: the CFA is register 7 + 8, as at a function's first instruction on x86-64."""


MANY = b"".join(bytes([0x07, number]) for number in range(MAX_RULES))
"""DW_CFA_undefined of as many registers as there may be rules."""


def run(program: bytes, initial: bytes = START, *, target: int = 0) -> Row:
    machine = FrameProgram(code_align=1, data_align=-8, location=0, target=target)
    machine.run_initial(initial)
    machine.run(program)
    return machine.row


@pytest.mark.parametrize(
    ("program", "cfa"),
    [
        (b"", (7, 8, None)),
        (bytes([0x0C, 6, 16]), (6, 16, None)),  # def_cfa
        (bytes([0x0D, 6]), (6, 8, None)),  # def_cfa_register
        (bytes([0x0E, 0x90, 0x01]), (7, 144, None)),  # def_cfa_offset
        (bytes([0x0F, 2, 0x77, 8]), (7, 8, b"\x77\x08")),  # def_cfa_expression
        (bytes([0x0F, 2, 0x77, 8, 0x0D, 6]), (6, 8, None)),
        (bytes([0x12, 6, 0x7E]), (6, 16, None)),  # def_cfa_sf
        (bytes([0x13, 0x7D]), (7, 24, None)),  # def_cfa_offset_sf
    ],
)
def test_the_canonical_frame_address(program: bytes, cfa: tuple[int, int, bytes | None]) -> None:
    row = run(program)
    assert (row.register, row.offset, row.expression) == cfa
    assert row.rules == {}


@pytest.mark.parametrize(
    ("program", "rule"),
    [
        (bytes([0x86, 2]), Rule("offset", -16)),  # offset
        (bytes([0x05, 6, 2]), Rule("offset", -16)),  # offset_extended
        (bytes([0x11, 6, 0x7E]), Rule("offset", 16)),  # offset_extended_sf
        (bytes([0x14, 6, 2]), Rule("val_offset", -16)),  # val_offset
        (bytes([0x15, 6, 0x7E]), Rule("val_offset", 16)),  # val_offset_sf
        (bytes([0x07, 6]), Rule("undefined")),
        (bytes([0x08, 6]), Rule("same")),  # same_value
        (bytes([0x09, 6, 3]), Rule("register", 3)),
        (bytes([0x10, 6, 2, 0x77, 8]), Rule("expression", code=b"\x77\x08")),
        (bytes([0x16, 6, 2, 0x77, 8]), Rule("val_expression", code=b"\x77\x08")),
    ],
)
def test_the_rule_of_a_register_and_what_follows_it(program: bytes, rule: Rule) -> None:
    assert run(program + bytes([0x90, 1])).rules == {6: rule, 16: Rule("offset", -8)}


def test_an_instruction_beyond_the_target_does_not_count() -> None:
    program = bytes([0x44, 0x86, 2, 0x02, 4, 0x83, 3, 0x03, 4, 0, 0x8C, 4, 0x04, 4, 0, 0, 0, 0x8D, 5])
    assert [sorted(run(program, target=target).rules) for target in (0, 3, 4, 7, 8, 12, 16)] == [
        [], [], [6], [6], [3, 6], [3, 6, 12], [3, 6, 12, 13],
    ]  # fmt: skip


def test_restore_goes_back_to_the_initial_rule_and_restore_state_to_a_remembered_row() -> None:
    initial = START + bytes([0x90, 1])
    assert run(bytes([0x86, 2, 0x90, 5, 0xC6, 0xD0]), initial).rules == {16: Rule("offset", -8)}
    assert run(bytes([0x86, 2, 0x90, 5, 0x06, 6, 0x06, 16]), initial).rules == {16: Rule("offset", -8)}
    row = run(bytes([0x0A, 0x0E, 32, 0x86, 2, 0x0B]), initial)
    assert (row.offset, row.rules) == (8, {16: Rule("offset", -8)})


def test_instructions_without_effect_leave_the_row() -> None:
    # nop, GNU_args_size 16, AARCH64_negate_ra_state
    assert run(bytes([0x00, 0x2E, 16, 0x2D])) == run(b"")


@pytest.mark.parametrize(
    ("program", "said"),
    [
        (bytes([0x01]) + bytes(8), "absolutely"),
        (bytes([0x0B]), "never remembered"),
        (bytes([0x0A]) * (MAX_REMEMBERED + 1), "too many rows"),
        (MANY + bytes([0x07, 0x80, 1, 0x07, 0x81, 1]), "too many registers"),
        (bytes([0x3F, 1]), "unknown instruction 0x3f"),
    ],
)  # fmt: skip
def test_what_no_compiler_writes_is_refused(program: bytes, said: str) -> None:
    with pytest.raises(CfiError, match=said):
        run(program)


@given(st.binary(max_size=200), st.integers(0, 1 << 16))
def test_any_bytes_end_with_a_row_or_an_error_of_ours(program: bytes, target: int) -> None:
    with contextlib.suppress(CfiError, ValueError):
        # The short form of `offset` names registers 0 to 63, and is bounded by that.
        assert len(run(program, target=target).rules) <= MAX_RULES + 1 + 64
