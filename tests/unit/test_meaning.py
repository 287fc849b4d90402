"""crash.meaning: what a fault's address means, on cores that are built for it."""

import signal
import struct

import pytest

from orchestrator.binary.core.corefile import Core, parse_core
from orchestrator.binary.disasm import instruction_at
from orchestrator.crash.fault.explain import explain_fault
from orchestrator.crash.fault.siginfo import Fault

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
    return parse_core(header + rows + contents)


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


WILD = 0x4141414141414141
NOBODY = "an address that no process can have, so the CPU told none: "


@pytest.mark.parametrize(
    ("code", "registers", "said"),
    [
        ("488b4760", {"rdi": WILD}, f"{NOBODY}[rdi + 0x60] → 0x41414141414141a1"),
        ("ffd0", {"rax": WILD}, f"{NOBODY}rax={WILD:#x}"),  # call rax
        ("c3", {}, f"{NOBODY}[rsp]={WILD:#x}"),  # ret
        ("50", {"rsp": WILD}, f"{NOBODY}[rsp - 8] → 0x4141414141414139"),  # push rax
        ("0f2807", {"rdi": 0x600001, "rsi": WILD},  # movaps xmm0, [rdi]
         "an address that is not aligned to 16 bytes, as the instruction needs it: [rdi] → 0x600001"),
        ("660ffe07", {"rdi": 0x600008},  # paddd xmm0, [rdi]
         "an address that is not aligned to 16 bytes, as the instruction needs it: [rdi] → 0x600008"),
        ("c5fc2807", {"rdi": 0x600010},  # vmovaps ymm0, [rdi]
         "an address that is not aligned to 32 bytes, as the instruction needs it: [rdi] → 0x600010"),
        ("0f1007", {"rdi": 0x600001, "rsi": WILD}, None),  # movups xmm0, [rdi]
        ("c5fc5807", {"rdi": 0x600001}, None),  # vaddps ymm0, ymm0, [rdi]
        ("0f2807", {"rdi": 0x600000, "rsi": WILD}, None),  # aligned: something else
        ("f4", {"rdi": WILD}, None),  # hlt
        ("", {"rdi": WILD}, None),  # unknown code
    ],
)  # fmt: skip
def test_why_the_cpu_told_no_address(code: str, registers: dict[str, int], said: str | None) -> None:
    text = (0x400000, 0x1000, R | X, bytes(16) + bytes.fromhex(code))
    core = core_with(text, HEAP, (STACK, 0x2000, R | W, WILD.to_bytes(8, "little") * 0x300))
    held = {**AT, **registers}
    at = instruction_at(core.arch, held["rip"], held, core.read)
    assert explain_fault(core, segv(None, "SI_KERNEL"), held, at) == said


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


def test_an_overrun_into_a_neighbours_guard_is_no_overflow_of_a_stack_with_room() -> None:
    core = core_with(CODE, HEAP, STACKS, GUARDED)
    said = explain_fault(core, segv(STACK - 16, "SEGV_ACCERR"), {**AT, "rsp": STACK + 0x1000})
    assert said is not None
    assert said.startswith("mapped without any access")
    said = explain_fault(core, segv(STACK - 16, "SEGV_ACCERR"), {**AT, "rsp": STACK + 0xFF8})
    assert "the stack overflowed" in (said or "")


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
