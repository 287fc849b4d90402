"""crash.meaning: what a fault's address means, on cores that are built for it."""

import signal
import struct

import pytest

from orchestrator.crash.meaning import explain_fault
from orchestrator.crash.signals import Fault
from orchestrator.tools.core import Core

R, W, X = 4, 2, 1
STACK = 0x7FFF00000000


def core_with(*loads: tuple[int, int, int, bytes]) -> Core:
    """A core of mappings: address, size, flags, content."""
    at = 64 + 56 * len(loads)
    header = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 4, 62, 1, 0, 64, 0, 0, 64, 56, len(loads), 0, 0, 0
    )
    rows, contents = b"", b""
    for start, size, flags, content in sorted(loads):
        rows += struct.pack("<IIQQQQQQ", 1, flags, at + len(contents), start, 0, len(content), size, 0x1000)
        contents += content
    return Core(header + rows + contents)


def segv(address: int | None, code: str = "SEGV_MAPERR") -> Fault:
    return Fault(number=signal.SIGSEGV, code=code, address=address)


CODE = (0x400000, 0x1000, R | X, b"")
HEAP = (0x600000, 0x2000, R | W, b"")
STACKS = (STACK, 0x800000, R | W, b"")
GUARDED = (STACK - 0x1000, 0x1000, 0, b"")
AT = {"rip": 0x400010, "rsp": STACK + 0x1000}


@pytest.mark.parametrize(
    ("fault", "registers", "said"),
    [
        (segv(0x60), {**AT, "rax": 0}, "near NULL: 0x60 bytes from a NULL pointer"),
        (
            segv((1 << 64) - 8),
            {**AT, "rax": 0, "rbx": 0},
            "near NULL: 0x8 bytes before a NULL pointer",
        ),
        (segv(0), {**AT, "rip": 0}, "a call or jump through a NULL pointer, to 0x0"),
        (
            segv(0x7000000),
            {**AT, "rip": 0x7000000},
            "a call or jump to 0x7000000, where nothing is mapped (any more)",
        ),
        (
            segv(0x600010, "SEGV_ACCERR"),
            {**AT, "rip": 0x600010},
            "a call or jump to 0x600010, which is not executable: memory of no file at 0x600000",
        ),
        (
            segv(None, "SI_KERNEL"),
            {**AT, "rdi": 0x4141414141414141},
            "an address that no process can have, so the CPU told none; such are in rdi=0x4141414141414141",
        ),
        (
            segv(STACK - 16, "SEGV_ACCERR"),
            {**AT, "rsp": STACK - 8},
            "the stack overflowed: 0x10 bytes below a stack mapping of 8192 KiB, in its guard",
        ),
        (segv(0x602010), AT, "not mapped: 0x10 bytes past the end of memory of no file at 0x600000"),
        (segv(0x5000000), AT, "not mapped"),
        (
            segv(0x400020, "SEGV_ACCERR"),
            AT,
            "a write to memory that is read-only: memory of no file at 0x400000",
        ),
        (
            Fault(number=signal.SIGBUS, code="BUS_ADRERR", address=0x600000),
            AT,
            "mapped, but no memory is behind it: most often a mapped file that is shorter than its mapping",
        ),
    ],
)
def test_each_kind_of_address(fault: Fault, registers: dict[str, int], said: str) -> None:
    assert explain_fault(core_with(CODE, HEAP, STACKS, GUARDED), fault, registers) == said


def test_a_fill_of_freed_memory_is_recognised() -> None:
    said = explain_fault(core_with(CODE), segv(None, "SI_KERNEL"), {**AT, "rax": 0xDDDDDDDDDDDDDDDD})
    assert said is not None
    assert "freed memory with 0xdd" in said


@pytest.mark.parametrize(
    "fault",
    [
        Fault(number=signal.SIGABRT, code="SI_TKILL", address=None),
        Fault(number=signal.SIGSEGV, code="SI_USER", address=None),
    ],
)
def test_signals_that_were_sent_have_no_address_to_explain(fault: Fault) -> None:
    assert explain_fault(core_with(CODE), fault, AT) is None


def test_far_below_the_stack_is_no_overflow() -> None:
    said = explain_fault(core_with(CODE, STACKS), segv(STACK - (4 << 20)), AT)
    assert said == "not mapped"


BIG_HEAP = (0x55BC5C734000, 0x21000, R | W, b"")


@pytest.mark.parametrize(
    ("address", "place", "said"),
    [
        (0x55BC5C73C, 0x55BC5C73CA50, True),  # the list's last block: seen in a real getenv race
        (0x55BC5C73C ^ 0x55BC5C734010, 0x55BC5C73CA50, True),  # another block follows
        (0x55BC5C73C ^ 0x55BC5C734011, 0x55BC5C73CA50, False),  # no block begins at an odd address
        (0x55BC5C73D, 0x55BC5C73CA50, False),  # leads outside the heap
        (0x55BC5C, 0x55BC5C73, False),  # the place is not mapped
    ],
)
def test_the_link_of_a_freed_block_is_recognised(address: int, place: int, said: bool) -> None:
    meaning = explain_fault(core_with(CODE, BIG_HEAP), segv(address), {**AT, "rdi": place})
    assert meaning is not None
    assert ("the link that glibc leaves in a freed block" in meaning) is said
    assert ("(rdi points there)" in meaning) is said
