"""binary.disasm: the instruction at the pc with the values that it used."""

from collections.abc import Callable

import pytest

from orchestrator.binary.disasm import Instruction, disassemble
from orchestrator.model import Arch

START = 0x1000
X86 = bytes.fromhex("554889e5488b50604803148f50ff14250000000064488b042528000000e8fbffffff")
"""push rbp; mov rbp, rsp; mov rdx, [rax+0x60]; add rdx, [rdi+rcx*4]; push rax; call [0]; mov rax, fs:[0x28];
call the next."""
ARM = bytes.fromhex("010040f91f2003d5616861f8f30b00f9")
"""ldr x1, [x0]; nop; ldr x1, [x3, x1]; str x19, [sp, #0x10]."""


def memory(*parts: tuple[int, bytes]) -> Callable[[int, int], bytes]:
    def read(address: int, size: int) -> bytes:
        for start, data in parts:
            if start <= address < start + len(data):
                return data[address - start : address - start + size]
        return b""

    return read


def current(instructions: tuple[Instruction, ...]) -> Instruction:
    (found,) = [item for item in instructions if item.current]
    return found


def test_the_instruction_at_the_pc_says_what_it_used() -> None:
    read = memory((START, X86))
    shown = disassemble(Arch.X86_64, START + 4, {"rax": 0, "rip": START + 4}, read, start=START)
    assert [item.text for item in shown][:3] == [
        "push rbp",
        "mov rbp, rsp",
        "mov rdx, qword ptr [rax + 0x60]",
    ]
    assert current(shown).note == "rax=0x0; [rax + 0x60] → 0x60, not in the core"
    assert {item.note for item in shown if not item.current} == {None}


@pytest.mark.parametrize(
    ("offset", "registers", "note"),
    [
        (
            8,
            {"rdx": 1, "rdi": 0x2000, "rcx": 2},
            "rdx=0x1; rdi=0x2000; rcx=0x2; [rdi + rcx*4] → 0x2008, holds 0x7",
        ),
        (12, {"rax": 5, "rsp": 0x2010}, "rsp=0x2010; rax=0x5; [rsp - 8] → 0x2008, holds 0x7"),
        (20, {"fs_base": 0x1FE0}, "fs:[0x28] → 0x2008, holds 0x7"),
        (20, {}, None),
    ],
)
def test_addresses_are_worked_out(offset: int, registers: dict[str, int], note: str | None) -> None:
    read = memory((START, X86), (0x2008, (7).to_bytes(8, "little")))
    here = current(disassemble(Arch.X86_64, START + offset, registers, read))
    assert set((here.note or "").split("; ")) == set((note or "").split("; "))


def test_arm64_needs_no_start() -> None:
    read = memory((START, ARM))
    shown = disassemble(Arch.ARM64, START + 8, {"x1": 3, "x3": 16}, read)
    assert [item.text for item in shown] == [
        "ldr x1, [x0]",
        "nop",
        "ldr x1, [x3, x1]",
        "str x19, [sp, #0x10]",
    ]
    assert current(shown).note == "x3=0x10; x1=0x3; [x3, x1] → 0x13, not in the core"


def test_without_code_there_is_nothing() -> None:
    assert disassemble(Arch.X86_64, 0, {}, memory()) == ()


def test_a_start_that_does_not_lead_to_the_pc_gives_nothing_before_it() -> None:
    shown = disassemble(Arch.X86_64, START + 5, {}, memory((START, X86)), start=START)
    assert shown[0].current
