"""gdb's backtrace and that of the backend `elf`, frame by frame, on cores of every kind of death.

They differ by one rule alone. gdb knows inlined and tail calls where there is debug information, and has
frames for them; the stack itself has none. Where the fault is in such a call, its name is in gdb's signature.
"""

from itertools import pairwise

import pytest

from orchestrator.crash.signature import sign
from orchestrator.model import NativeFrame, Thread
from tests.integration.dying import FAULTS, Read

WAYS = (
    "segv", "bus", "fpe", "ill", "trap", "abrt", "sys", "own", "twice", "claim", "overflow", "wild", "data",
    "gone", "threads", "terminate", "handler", "stale", "getenv_race",
    "refilled", "released",
)  # fmt: skip
PROGRAMS = (FAULTS, "/faults/static", "/faults/stripped")
SURVIVES = ("/faults/static", "getenv_race")
"""The static glibc's heap is laid otherwise: 20,000 rounds end without a fault."""
COMMANDS = [(program, way) for program in PROGRAMS for way in WAYS if (program, way) != SURVIVES]


@pytest.mark.parametrize("command", [*COMMANDS, ("python3", "/faults/inner.py")], ids=" ".join)
def test_both_backends_agree_frame_by_frame(command: tuple[str, str], read: Read) -> None:
    gdb, elf = (read(*command, backend=backend) for backend in ("gdb", "elf"))
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
