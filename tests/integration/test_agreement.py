"""gdb's backtrace and that of the backend `elf`, frame by frame, on cores of every kind of death."""

import pytest

from orchestrator.model import Thread
from tests.integration.dying import FAULTS, Read

WAYS = (
    "segv", "bus", "fpe", "ill", "trap", "abrt", "sys", "own", "twice", "claim", "overflow", "wild", "data",
    "gone", "threads", "terminate", "handler", "stale", "getenv_race",
)  # fmt: skip
PROGRAMS = (FAULTS, "/faults/static", "/faults/stripped")
COMMANDS = [(program, way) for program in PROGRAMS for way in WAYS]


@pytest.mark.parametrize("command", [*COMMANDS, ("python3", "/faults/inner.py")], ids=" ".join)
def test_both_backends_agree_frame_by_frame(command: tuple[str, str], read: Read) -> None:
    gdb, elf = (read(*command, backend=backend) for backend in ("gdb", "elf"))
    assert [thread.tid for thread in elf.threads] == [thread.tid for thread in gdb.threads]
    for ours, theirs in zip(elf.threads, gdb.threads, strict=True):
        agree(ours, theirs)
    assert elf.signature == gdb.signature
    assert elf.signal == gdb.signal


def agree(ours: Thread, theirs: Thread) -> None:
    # gdb adds frames for inlined and for tail calls; the stack itself has none of these.
    added = iter(frame.pc for frame in theirs.native)
    assert all(frame.pc in added for frame in ours.native), (ours.native, theirs.native)
    assert (ours.native[0].pc, ours.native[-1].pc) == (theirs.native[0].pc, theirs.native[-1].pc)
    assert not any(frame.scanned for frame in ours.native)
    for name, value in theirs.registers.items():
        assert ours.registers.get(name, value) == value
