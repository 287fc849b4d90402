"""gdb's backtrace and that of the backend `elf`, frame by frame, on cores of every kind of death.

They differ by one rule alone. gdb knows inlined and tail calls where there is debug information, and has
frames for them; the stack itself has none. Where the fault is in such a call, its name is in gdb's signature.
"""

import subprocess
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from orchestrator.crash.signature import sign
from orchestrator.host import HostPaths, probe
from orchestrator.model import Crash, NativeFrame, Thread
from orchestrator.pipeline import AnalyzeRequest, analyze_core
from orchestrator.tools.engine import Engine
from tests.integration.dying import FAULTS, GUEST_CELL, Read, build_guests, die_emulated
from tests.integration.runs import command as command_line

WAYS = (
    "segv", "bus", "fpe", "ill", "trap", "abrt", "sys", "own", "twice", "claim", "overflow", "wild", "data",
    "gone", "threads", "terminate", "handler", "stale", "getenv_race",
    "refilled", "released",
)  # fmt: skip
PROGRAMS = (FAULTS, "/faults/static", "/faults/stripped")
SURVIVES = ("/faults/static", "getenv_race")
"""The static glibc's heap is laid otherwise: 20,000 rounds end without a fault."""
COMMANDS = [(program, way) for program in PROGRAMS for way in WAYS if (program, way) != SURVIVES]
INNER = ("python3", "/faults/inner.py")
EMULATED = ("segv", "abrt", "own", "twice", "overflow", "gone", "threads", "terminate", "handler")
GUESTS = [*((FAULTS, way) for way in EMULATED), ("/faults/stripped", "threads"), INNER]

ReadGuest = Callable[[tuple[str, ...], str], Crash]


@pytest.mark.parametrize("command", [*COMMANDS, INNER], ids=" ".join)
def test_both_backends_agree_frame_by_frame(command: tuple[str, str], read: Read) -> None:
    assert_same(*(read(*command, backend=backend) for backend in ("gdb", "elf")))


@pytest.fixture(scope="module")
def read_guest(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> ReadGuest:
    """Reads the core that qemu wrote of a command, with one backend; all die at the first use."""
    subprocess.run(command_line("build", "--cell", GUEST_CELL), check=True, capture_output=True)
    image, folder = build_guests(engine), tmp_path_factory.mktemp("guests")
    cores: dict[tuple[str, ...], Path] = dict(
        zip(GUESTS, die_emulated(engine, image, folder, GUESTS), strict=True)
    )

    def read_guest(command: tuple[str, ...], backend: str) -> Crash:
        return analyze_core(AnalyzeRequest(core=str(cores[command]), image=image, backends=(backend,)))

    return read_guest


@pytest.mark.skipif(probe.emulation(HostPaths()).native, reason="arm64 is native here")
@pytest.mark.parametrize("command", GUESTS, ids=" ".join)
def test_both_backends_agree_on_a_guest(command: tuple[str, ...], read_guest: ReadGuest) -> None:
    gdb, elf = (read_guest(command, backend) for backend in ("gdb", "elf"))
    assert gdb.sources["native"] == "gdb", gdb.warnings
    assert gdb.arch == "arm64"
    assert gdb.command == command
    assert_same(gdb, elf)


def assert_same(gdb: Crash, elf: Crash) -> None:
    assert [thread.tid for thread in elf.threads] == [thread.tid for thread in gdb.threads]
    for ours, theirs in zip(elf.threads, gdb.threads, strict=True):
        agree(ours, theirs)
    assert gdb.crashed_thread is not None
    outwards = gdb.crashed_thread.native[_number(gdb.crashed_thread, gdb.crash.pc) :]
    assert elf.signature == sign(gdb.signal.name, _stack(outwards))[0]
    assert elf.signal == gdb.signal


def agree(ours: Thread, theirs: Thread) -> None:
    added = iter(frame.pc for frame in theirs.native)
    assert all(frame.pc in added for frame in ours.native), (ours.native, theirs.native)
    assert (ours.native[0].pc, ours.native[-1].pc) == (theirs.native[0].pc, theirs.native[-1].pc)
    assert not any(frame.scanned for frame in ours.native)
    for name, value in theirs.registers.items():
        assert ours.registers.get(name, value) == value


def _number(thread: Thread, pc: str | None) -> int:
    return next(number for number, frame in enumerate(thread.native) if frame.pc == pc)


def _stack(frames: tuple[NativeFrame, ...]) -> list[NativeFrame]:
    """The frames that lie on the stack: of those with one pc the outermost, into which others are inlined."""
    inner = [frame for frame, outer in pairwise(frames) if frame.pc != outer.pc]
    return [*inner, frames[-1]]
