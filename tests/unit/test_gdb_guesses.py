"""Frames that gdb took from the stack where nothing says how to leave a function, as it does in silence."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.binary.core.corefile import Core, open_core
from orchestrator.binary.core.unpack import plain_core
from orchestrator.crash.memory import ProcessMemory
from orchestrator.crash.reader import interpret
from orchestrator.crash.stacks.certainty import count_certain
from orchestrator.crash.stacks.elf.unwind import Unwinder
from orchestrator.crash.stacks.elf.unwind_arch import UNWIND_ARCHES
from orchestrator.crash.stacks.gdb.backend import complete
from orchestrator.crash.stacks.gdb.run import GdbAnswer, GdbFrame, GdbThread
from orchestrator.crash.stacks.reading import Frame, Reading
from orchestrator.crash.stacks.unwind_tables import UnwindTables
from orchestrator.model import Sysroot
from tests.unit.test_meaning import CODE, STACK, STACKS, core_with

DATA = Path(__file__).parents[1] / "data/cores"
SIGNAL = "a signal's trampoline"


def frame(pc: int, name: str | None) -> GdbFrame:
    return GdbFrame(
        pc=pc, sp=None, function=name, start=None, debug=name is not None, file=None, line=None,
        trampoline=name == SIGNAL, inline=False,
    )  # fmt: skip


def read(core: Core, *frames: tuple[int, str | None]) -> Reading:
    thread = GdbThread(
        tid=1, crashed=True, frames=tuple(frame(pc, name) for pc, name in frames), registers={},
        stopped=None, more=False,
    )  # fmt: skip
    return complete(core, Path("/nowhere"), GdbAnswer(version="13.1", threads=(thread,)))


@pytest.mark.parametrize("pc", [0x1, 0x130AD205, STACK + 0x100])
def test_a_frame_that_is_no_code_and_all_outside_of_it_are_guesses(pc: int) -> None:
    core = core_with(CODE, STACKS)
    reading = read(core, (0x400010, "c"), (0x400020, "b"), (pc, None), (0x400030, "main"), (0, None))
    assert [frame.scanned for frame in reading.threads[0].frames] == [False, False, True, True, True]
    assert reading.guesses == (f"thread 1: frames from #2 outwards are guesses: {pc:#x} is no code",)
    assert set(reading.guesses) <= set(reading.warnings)
    crash = interpret(core, Sysroot(path="/nowhere"), reading)
    assert crash.signature.endswith(" c > b")


@pytest.mark.parametrize(
    "frames",
    [
        [(0x1, None), (0x400020, "b"), (0, None)],
        [(0x400010, "on_fault"), (0x400020, SIGNAL), (STACK, None), (0x400030, "main")],
    ],
)
def test_what_a_jump_led_to_is_no_guess(frames: list[tuple[int, str | None]]) -> None:
    reading = read(core_with(CODE, STACKS), *frames)
    assert not any(frame.scanned for frame in reading.threads[0].frames)
    assert reading.guesses == ()


@pytest.mark.parametrize("name", ["*ABS*+0x9f400@plt", "getenv@plt"])
def test_a_name_that_gdb_invents_for_a_stub_is_none(name: str) -> None:
    """Seen where a thread was about to call a function of glibc: `elf` has no name there."""
    core = core_with(CODE, STACKS)
    thread = GdbThread(
        tid=1, crashed=True, registers={}, stopped=None, more=False,
        frames=(frame(0x400010, name).model_copy(update={"debug": False}), frame(0x400020, "main")),
    )  # fmt: skip
    (read_thread,) = complete(core, Path("/nowhere"), GdbAnswer(version="13.1", threads=(thread,))).threads
    assert [item.function for item in read_thread.frames] == [None, "main"]


def test_the_signature_ends_where_no_file_says_how_to_leave_a_function(tmp_path: Path) -> None:
    """jump.core.zst is of a call to tiny's data; the frames are such as gdb could have guessed."""
    (tmp_path / "faults").mkdir()
    shutil.copy(DATA / "tiny", tmp_path / "faults/tiny")
    with plain_core(DATA / "jump.core.zst") as plain, open_core(plain) as core:
        memory = ProcessMemory(core, tmp_path)
        state = core.threads[0]
        described = Unwinder(memory).walk(UNWIND_ARCHES[core.arch].numbered(state.registers)).steps[1].pc
        assert not memory.is_code(state.pc)
        unwound = [Frame(pc=state.pc), Frame(pc=described), Frame(pc=described)]
        assert count_certain(UnwindTables(memory), unwound) == 3
        assert count_certain(UnwindTables(memory), [*unwound, Frame(pc=state.pc), Frame(pc=described)]) == 3
        segment = core.segment_at(described)
        assert segment is not None
        padding = Frame(pc=segment.start + segment.size - 2)
        assert memory.is_code(padding.pc)
        assert count_certain(UnwindTables(memory), [*unwound[:2], replace(unwound[2], scanned=True)]) == 2
        assert count_certain(UnwindTables(memory), [Frame(pc=described), padding, Frame(pc=described)]) == 2
