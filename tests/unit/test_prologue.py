"""Frames by the instructions of a function, and stacks of musl, which has no call frame information."""

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.binary.prologue import Frame, frame_at
from orchestrator.crash.memory import ProcessMemory
from orchestrator.crash.reader import read_crash
from orchestrator.crash.stacks.elf.calls import Calls
from orchestrator.crash.stacks.elf.unwind_arch import UNWIND_ARCHES
from orchestrator.model import Arch, Crash, Sysroot
from tests.unit.real_cores import DATA, opened

START = 0x401000
PUSH_RBP, MOV_RBP_RSP, PUSH_RBX, PUSH_R12 = (bytes.fromhex(code) for code in ("55", "4889e5", "53", "4154"))
SUB_72, ADD_72, LEA_8, POP_RBX, LEAVE, RET = (
    bytes.fromhex(code) for code in ("4883ec48", "4883c448", "488d6424f8", "5b", "c9", "c3")
)
TEST_JNE = bytes.fromhex("85ff7501")
ALIGN, ALLOCA = bytes.fromhex("4883e4f0"), bytes.fromhex("4829c4")
NOP = b"\x90"


def at(code: bytes) -> Frame | None:
    return frame_at(code, START, START + len(code))


@pytest.mark.parametrize(
    ("code", "depth", "saved"),
    [
        pytest.param(b"", 0, {}, id="the first instruction"),
        pytest.param(SUB_72, 72, {}, id="local variables"),
        pytest.param(PUSH_RBX + PUSH_R12 + LEA_8, 24, {"rbx": 8, "r12": 16}, id="saved registers"),
        pytest.param(TEST_JNE + RET + SUB_72, 72, {}, id="an early return before the frame"),
        pytest.param(SUB_72 + TEST_JNE + ADD_72 + RET + NOP, 72, {}, id="code behind a return"),
        pytest.param(PUSH_RBX + POP_RBX + RET + NOP, 8, {"rbx": 8}, id="code behind a return, a register"),
        pytest.param(SUB_72 + ADD_72, 0, {}, id="the return itself"),
        pytest.param(PUSH_RBX + ALLOCA, None, {"rbx": 8}, id="a size that is known at run time alone"),
    ],
)  # fmt: skip
def test_the_stack_pointer_is_followed(code: bytes, depth: int | None, saved: dict[str, int]) -> None:
    frame = at(code)
    assert frame is not None
    assert (frame.depth, frame.saved) == (depth, saved)


def test_the_frame_pointer_leads_over_sizes_that_are_not_known() -> None:
    frame = at(PUSH_RBP + MOV_RBP_RSP + ALIGN + ALLOCA)
    assert frame is not None
    assert frame.entry(sp=0x7000, rbp=0x7FF0) == 0x7FF8
    assert frame.entry(sp=0x7000, rbp=None) is None
    left = at(PUSH_RBP + MOV_RBP_RSP + ALLOCA + LEAVE)
    assert left is not None
    assert left.entry(sp=0x7FF8, rbp=0x1234) == 0x7FF8


def test_a_start_from_which_decoding_does_not_arrive_has_no_frame() -> None:
    assert frame_at(SUB_72[:2], START, START + 2) is None
    assert frame_at(SUB_72, START, START + 3) is None
    assert frame_at(b"", START, START - 1) is None


@given(st.binary(max_size=200))
def test_any_bytes_have_a_frame_or_none(code: bytes) -> None:
    at(code)


def read(name: str, root: Path, backend: str) -> Crash:
    (root / "bin").mkdir(exist_ok=True)
    shutil.copy(DATA / "musl", root / "bin" / "musl")
    with opened(name) as (path, core):
        return read_crash(path, core, Sysroot(path=str(root)), backends=(backend,))


@pytest.mark.parametrize(
    ("name", "signature", "functions"),
    [
        ("musl", "SIGABRT give_up > main", ["raise", "abort", "give_up", "main"]),
        ("musl-assert", "SIGABRT check > main", ["raise", "abort", "__assert_fail", "check", "main"]),
    ],
)
def test_aborts_of_musl_are_named_by_who_aborted(
    name: str, signature: str, functions: list[str], tmp_path: Path
) -> None:
    """gdb 13.1 stops at `raise` in both."""
    crash = read(name, tmp_path, "elf")
    assert crash.signature == signature
    native = crash.threads[0].native
    assert [frame.function for frame in native] == ["__restore_sigs", *functions]
    assert not any(frame.scanned for frame in native)
    assert crash.warnings == ()


def test_a_return_address_that_the_function_does_not_lead_to_is_no_caller(tmp_path: Path) -> None:
    """A leftover of an earlier call lies at another depth."""
    (tmp_path / "bin").mkdir()
    shutil.copy(DATA / "musl", tmp_path / "bin" / "musl")
    machine = UNWIND_ARCHES[Arch.X86_64]
    with opened("musl") as (_, core):
        memory = ProcessMemory(core, tmp_path)
        registers = machine.numbered(core.threads[0].registers)
        calls, pc = Calls(memory, machine), registers[machine.pc]
        assert calls.caller(pc, registers) is not None
        assert calls.caller(pc, {**registers, machine.sp: registers[machine.sp] - 8}) is None
        assert calls.caller(pc, {**registers, machine.sp: registers[machine.sp] + 4}) is None
        assert calls.caller(pc, {**registers, machine.sp: 8}) is None
