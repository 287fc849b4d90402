"""Signal frames of real cores: with siginfo_t, without it, and one handler inside another."""

import signal
import struct
from functools import cache
from pathlib import Path

import pytest

from orchestrator.binary.core.corefile import Core, parse_core
from orchestrator.binary.core.unpack import plain_core
from orchestrator.crash.fault.origin import find_site
from orchestrator.crash.fault.siginfo import FAULTS, handled_fault, parse_siginfo, signal_name
from orchestrator.crash.memory import ProcessMemory
from orchestrator.crash.stacks.gdb.backend import complete
from orchestrator.crash.stacks.gdb.run import GdbThread, parse_answer
from orchestrator.errors import ToolError

DATA = Path(__file__).parents[1] / "data" / "cores"


@cache
def core(name: str) -> Core:
    with plain_core(DATA / f"{name}.core.zst") as path:
        return parse_core(path.read_bytes())


def crashed(name: str) -> GdbThread:
    return parse_answer((DATA / f"gdb-{name}.json").read_bytes()).threads[0]


def trampolines(name: str) -> list[int]:
    return [frame.sp or 0 for frame in crashed(name).frames if frame.trampoline]


@pytest.mark.parametrize(("name", "derived"), [("plain", True), ("siginfo", False)])
def test_the_fault_behind_a_handler(name: str, derived: bool) -> None:
    (stack,) = trampolines(name)
    fault = handled_fault(core(name), stack)
    assert fault is not None
    assert (fault.name, fault.code, fault.address) == ("SIGSEGV", "SEGV_MAPERR", 0x60)
    assert fault.derived is derived


def test_a_handler_of_sigterm_was_called_for_no_fault() -> None:
    inner, outer = trampolines("chained")
    fault = handled_fault(core("chained"), inner)
    assert fault is not None
    assert fault.number == signal.SIGSEGV
    assert handled_fault(core("chained"), outer) is None


def test_where_a_handler_raised_its_signal_again_the_fault_is_outside_of_both(tmp_path: Path) -> None:
    """The kernel lays the thread's last trap into the frame of a signal that was only raised, too."""
    with plain_core(DATA / "chained.core.zst") as path:
        data = bytearray(path.read_bytes())
    whole = parse_core(bytes(data))
    inner, outer = trampolines("chained")
    answer = parse_answer((DATA / "gdb-chained.json").read_bytes())
    numbers = [number for number, frame in enumerate(crashed("chained").frames) if frame.trampoline]
    thread = complete(whole, tmp_path, answer).threads[0]
    assert find_site(ProcessMemory(whole, tmp_path), thread).frame == numbers[0] + 1
    load = next(item for item in whole.loads if item.start <= outer < item.start + item.stored)
    at = load.offset + outer - load.start + 192  # err, trapno, oldmask, cr2: see signals.py
    data[at : at + 32] = whole.read(inner + 192, 32)
    site = find_site(ProcessMemory(parse_core(bytes(data)), tmp_path), thread)
    assert site.frame == numbers[1] + 1
    assert (site.fault.name, site.fault.address) == ("SIGSEGV", 0x60)


def test_a_stale_siginfo_is_not_believed() -> None:
    """Without SA_SIGINFO the kernel leaves what an older frame had there: here, another address."""
    with plain_core(DATA / "siginfo.core.zst") as path:
        data = bytearray(path.read_bytes())
    (stack,) = trampolines("siginfo")
    whole = parse_core(bytes(data))
    load = next(item for item in whole.loads if item.start <= stack < item.start + item.stored)
    at = load.offset + stack - load.start + 0x130
    assert struct.unpack_from("<i12xQ", data, at) == (signal.SIGSEGV, 0x60)
    struct.pack_into("<Q", data, at + 16, 0x1234)
    fault = handled_fault(parse_core(bytes(data)), stack)
    assert fault is not None
    assert fault.derived
    assert fault.address == 0x60


@pytest.mark.parametrize("stack", [0, 8, (1 << 64) - 64])
def test_a_stack_that_is_nowhere(stack: int) -> None:
    assert handled_fault(core("plain"), stack) is None


@pytest.mark.parametrize(
    ("number", "code", "name", "address"),
    [
        (11, 1, "SEGV_MAPERR", 0x60),
        (11, 0x80, "SI_KERNEL", None),
        (11, 0, "SI_USER", None),
        (7, 2, "BUS_ADRERR", 0x60),
        (8, 1, "FPE_INTDIV", 0x60),
        (6, -6, "SI_TKILL", None),
        (11, 99, "99", None),
    ],
)
def test_siginfo(number: int, code: int, name: str, address: int | None) -> None:
    fault = parse_siginfo(struct.pack("<iii4xQ", number, 0, code, 0x60))
    assert fault is not None
    assert (fault.number, fault.code, fault.address) == (number, name, address)


@pytest.mark.parametrize("raw", [None, b"", bytes(128), struct.pack("<iii4xQ", 65, 0, 1, 0)])
def test_what_is_no_siginfo(raw: bytes | None) -> None:
    assert parse_siginfo(raw) is None


def test_names() -> None:
    assert [signal_name(number) for number in (11, 6, 40)] == ["SIGSEGV", "SIGABRT", "SIG40"]
    assert all(number < 32 for number in FAULTS)


def test_an_answer_of_gdb_that_is_none() -> None:
    for raw in (b"", b"{}", b'{"version": "13.1", "threads": [{}]}'):
        with pytest.raises(ToolError, match="cannot be read"):
            parse_answer(raw)
