"""crash.x86_fault: a trap that the kernel kept from long before is told from the one of a signal frame."""

import signal
import struct
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.crash.fault.origin import Site, find_site
from orchestrator.crash.fault.x86 import is_stale
from orchestrator.crash.memory import ProcessMemory
from orchestrator.crash.stacks.reading import Frame, ThreadReading
from tests.unit.test_meaning import core_with

CODE, STACK = 0x400000, 0x7FFF00000000
PC = CODE + 2
"""Behind two bytes, which may be a system call."""
AFTER_CALL = "0f05"
ELSEWHERE = "9090"
NAMES = ("r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rdi", "rsi", "rbp", "rbx", "rdx", "rax",
         "rcx", "rsp", "rip")  # fmt: skip


def frame(trap: int, address: int, **registers: int) -> bytes:
    """A signal frame's ucontext, as far as cr2."""
    held = {"rip": PC, **registers}
    general = struct.pack("<17Q", *(held.get(name, 0) for name in NAMES))
    return bytes(40) + general + bytes(16) + struct.pack("<4Q", 0, trap, 0, address)


def judged(code: str, context: bytes, root: Path) -> bool:
    core = core_with((CODE, 0x1000, 5, bytes.fromhex(code).ljust(64, b"\x90")), (STACK, 0x1000, 6, context))
    return is_stale(ProcessMemory(core, root), STACK)


@pytest.mark.parametrize(
    ("code", "address", "registers"),
    [
        (AFTER_CALL + "89c5", 0x7000DEAD, {}),  # mov ebp, eax: in raise
        (ELSEWHERE + "488b4760", 0x7000DEAD, {"rdi": 0x10}),  # mov rax, [rdi+0x60]
        (ELSEWHERE + "488b4760", 0x30, {"rdi": 0}),  # before what it touches
    ],
)
def test_an_address_that_the_instruction_cannot_have_touched(
    code: str, address: int, registers: dict[str, int], tmp_path: Path
) -> None:
    assert judged(code, frame(14, address, **registers), tmp_path)


@pytest.mark.parametrize(
    ("code", "address", "registers"),
    [
        (ELSEWHERE + "488b4760", 0x60, {"rdi": 0}),  # mov rax, [rdi+0x60]
        (ELSEWHERE + "488b07", 0x5000, {"rdi": 0x4FFC}),  # mov rax, [rdi], over the end of a page
        (ELSEWHERE + "64488b042500000000", 0x7000DEAD, {}),  # mov rax, fs:[0]: fs is not in the frame
        (ELSEWHERE + "50", 0x7000DEAD, {"rsp": 0x10}),  # push rax
        (ELSEWHERE + "e800000000", 0x7000DEAD, {}),  # call
        (ELSEWHERE + "c3", 0x7000DEAD, {}),  # ret
        (ELSEWHERE + "f3a4", 0x7000DEAD, {"rdi": 0x10, "rsi": 0x20}),  # rep movsb
        (ELSEWHERE + "0fae27", 0x7000DEAD, {"rdi": 0x10}),  # xsave [rdi]
        (AFTER_CALL + "89c5", PC, {}),  # the instruction itself
        (AFTER_CALL + "89c5", 0x7000DEAD, {"rip": 0x7000DEA8}),  # its second half; and code of no mapping
    ],
)
def test_where_in_doubt_the_trap_is_believed(
    code: str, address: int, registers: dict[str, int], tmp_path: Path
) -> None:
    assert not judged(code, frame(14, address, **registers), tmp_path)


@pytest.mark.parametrize(
    ("code", "rcx", "stale"),
    [
        (AFTER_CALL + "89c5", PC, True),
        (AFTER_CALL + "89c5", 0, False),  # a jump came here, no system call
        (ELSEWHERE + "89c5", PC, False),
        (AFTER_CALL + "0f0b", PC, False),  # ud2
    ],
)
def test_a_trap_without_an_address_is_stale_behind_a_system_call(
    code: str, rcx: int, stale: bool, tmp_path: Path
) -> None:
    assert judged(code, frame(6, 0x7000DEAD, rcx=rcx), tmp_path) is stale


def test_a_frame_that_is_not_held_says_nothing(tmp_path: Path) -> None:
    assert not judged(AFTER_CALL + "89c5", frame(14, 0x7000DEAD)[:100], tmp_path)


def test_a_site_is_not_where_a_stale_trap_says(tmp_path: Path) -> None:
    """As where a handler of SIGABRT ends a thread that recovered from a SIGSEGV long before."""
    code = (CODE, 0x1000, 5, bytes.fromhex(AFTER_CALL + "89c5"))
    frames = (Frame(pc=CODE), Frame(pc=CODE, sp=STACK, trampoline=True), Frame(pc=PC))
    thread = ThreadReading(tid=1, crashed=True, frames=frames)
    for address, name in ((0x7000DEAD, "?"), (PC, "SIGBUS")):
        core = core_with(code, (STACK, 0x1000, 6, frame(14, address)))
        assert find_site(ProcessMemory(core, tmp_path), thread).signal == name


@pytest.mark.parametrize(
    ("code", "registers", "site"),
    [
        (AFTER_CALL, {"rsi": 5, "rdx": signal.SIGABRT, "rax": 0}, 3),  # tgkill, as raise does
        (AFTER_CALL, {"rsi": signal.SIGABRT, "rdx": 0, "rax": 0}, 3),  # kill
        (AFTER_CALL, {"rsi": 5, "rdx": signal.SIGUSR1, "rax": 0}, 0),  # another signal
        (AFTER_CALL, {"rsi": 5, "rdx": signal.SIGABRT, "rax": (1 << 64) - 4}, 0),  # read, interrupted
        (ELSEWHERE, {"rsi": 5, "rdx": signal.SIGABRT, "rax": 0}, 0),
    ],
)
def test_where_a_handler_raised_its_signal_again_the_site_is_who_raised_it_first(
    code: str, registers: dict[str, int], site: int, tmp_path: Path
) -> None:
    found = site_of(code + "89c5", frame(0, 0), signal.SIGABRT, registers, tmp_path)
    assert (found.frame, found.fault.number) == (site, signal.SIGABRT)
    assert bool(found.doubts) is (site == 0)


@pytest.mark.parametrize(
    ("code", "number", "said", "site"),
    [
        ("f7f9", signal.SIGFPE, "FPE_INTDIV", 3),  # idiv ecx
        ("f7f1", signal.SIGFPE, "FPE_INTDIV", 3),  # div ecx
        ("89c5", signal.SIGFPE, "SI_TKILL", 0),
        ("f7f9", signal.SIGABRT, "SI_TKILL", 0),
    ],
)
def test_a_division_by_zero_has_the_number_of_no_trap(
    code: str, number: int, said: str, site: int, tmp_path: Path
) -> None:
    found = site_of(ELSEWHERE + code, frame(0, 0), number, {}, tmp_path)
    assert (found.fault.code, found.frame) == (said, site)


def site_of(code: str, context: bytes, number: int, registers: dict[str, int], root: Path) -> Site:
    """The site of a thread that a handler ended with a signal, having been called where `code` is."""
    core = core_with((CODE, 0x1000, 5, bytes.fromhex(code)), (STACK, 0x1000, 6, context))
    notes = replace(core.notes, siginfo=struct.pack("<iii4xQ", number, 0, -6, 0))
    frames = (*[Frame(pc=CODE)] * 2, Frame(pc=CODE, sp=STACK, trampoline=True), Frame(pc=PC))
    thread = ThreadReading(tid=1, crashed=True, frames=frames, registers={3: registers})
    return find_site(ProcessMemory(replace(core, notes=notes), root), thread)
