"""Which of two readings each thread's stack is taken from, and faults behind handlers that end the process.

bare.core.zst is of tests/data/cores/bare.c, whose handlers have no call frame information, as those of Go;
gdb-bare.json is what gdb 13.1 made of it: frames that it took from the stack, without the handled signals.
"""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.binary.core.corefile import Core
from orchestrator.crash.memory import ProcessMemory
from orchestrator.crash.reader import interpret, read_crash
from orchestrator.crash.stacks.certainty import count_named
from orchestrator.crash.stacks.choice import better_of, is_sure
from orchestrator.crash.stacks.elf import backend as elf_backend
from orchestrator.crash.stacks.gdb.backend import complete
from orchestrator.crash.stacks.gdb.run import parse_answer
from orchestrator.crash.stacks.reading import Frame, Reading, ThreadReading
from orchestrator.crash.stacks.unwind_tables import UnwindTables
from orchestrator.model import Sysroot
from tests.unit.real_cores import DATA, opened

HANDLED = ["raise_abort", "handle", "restorer"]
FAULTED = ["touch", "work", "start", "_start"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "faults").mkdir()
    for name in ("bare", "tiny"):
        shutil.copy(DATA / name, tmp_path / "faults" / name)
    return tmp_path


def by_gdb(core: Core, root: Path) -> Reading:
    return complete(core, root, parse_answer((DATA / "gdb-bare.json").read_bytes()))


def functions(reading: Reading) -> list[str | None]:
    return [frame.function for frame in reading.threads[0].frames]


def test_the_fault_behind_handlers_without_call_frame_information_is_found(root: Path) -> None:
    with opened("bare") as (path, core):
        crash = read_crash(path, core, Sysroot(path=str(root)), backends=["elf"])
    assert crash.signature == "SIGSEGV touch > work > start"
    assert (crash.signal.name, crash.signal.code, crash.signal.fault_address) == (
        "SIGSEGV",
        "SEGV_MAPERR",
        "0x60",
    )
    assert crash.signal.delivered == "SIGABRT"
    assert [frame.function for frame in crash.threads[0].native] == [*HANDLED, *HANDLED, *FAULTED]


def test_a_frame_of_a_signal_is_no_guess_nor_is_one_whose_function_the_next_one_calls(root: Path) -> None:
    with opened("bare") as (path, core):
        frames = elf_backend.read_stacks(path, core, root).threads[0].frames
    assert [frame.function for frame in frames][:6] == [*HANDLED, *HANDLED]
    assert not any(frame.scanned for frame in frames)


def test_without_the_program_the_signals_frames_are_found_all_the_same(root: Path) -> None:
    """Of Go, the trampoline is in the C library; here it is in the program, of which the core has none."""
    (root / "faults/bare").unlink()
    with opened("bare") as (path, core):
        reading = elf_backend.read_stacks(path, core, root)
    assert not any(frame.trampoline for frame in reading.threads[0].frames)


def test_the_reading_is_taken_that_is_named_and_sure_for_longer(root: Path) -> None:
    with opened("bare") as (path, core):
        memory, gdb, elf = (
            ProcessMemory(core, root),
            by_gdb(core, root),
            elf_backend.read_stacks(path, core, root),
        )
        assert functions(gdb)[:3] == ["raise_abort", "handle", "start"]
        assert not is_sure(memory, gdb)
        assert [count_named(UnwindTables(memory), item.threads[0].frames) for item in (gdb, elf)] == [
            (2, 2, 3),
            (7, 8, 10),
        ]
        assert better_of(memory, gdb, elf) is elf
        assert better_of(memory, elf, gdb) is elf
        assert interpret(core, Sysroot(path=str(root)), gdb).signature == "SIGABRT raise_abort > handle"


def test_each_thread_is_taken_from_the_better_reading_which_is_said(root: Path) -> None:
    with opened("bare") as (path, core):
        memory, gdb, elf = (
            ProcessMemory(core, root),
            by_gdb(core, root),
            elf_backend.read_stacks(path, core, root),
        )
        (known,) = elf.threads
        other = ThreadReading(tid=7, crashed=False, frames=known.frames[-4:])
        lost = replace(other, frames=(Frame(pc=1), Frame(pc=2)), doubts=("thread 7: lost",))
        gdb = replace(gdb, threads=(*gdb.threads, other))
        elf = replace(elf, threads=(known, lost), warnings=("general", *known.doubts, *lost.doubts))
        mixed = better_of(memory, gdb, elf)
        crash = interpret(core, Sysroot(path=str(root)), mixed)
    assert (mixed.backend, mixed.others) == ("elf", (("gdb", "13.1"),))
    assert mixed.threads == (known, other)
    assert (
        "the stack of thread 7 is from gdb, which has more frames there that are named and no guess"
        in mixed.warnings
    )
    assert {"general", *known.doubts} <= set(mixed.warnings)
    assert "thread 7: lost" not in mixed.warnings
    assert crash.backends["gdb"] is not None
    assert crash.backends["elf"] is not None


def test_a_thread_that_only_one_reading_has_is_kept(root: Path) -> None:
    with opened("bare") as (path, core):
        memory, elf = ProcessMemory(core, root), elf_backend.read_stacks(path, core, root)
        less = replace(elf, backend="gdb", threads=())
        assert better_of(memory, less, elf).threads == elf.threads


def test_equal_readings_are_the_first(root: Path) -> None:
    with opened("tiny") as (path, core):
        memory, elf = ProcessMemory(core, root), elf_backend.read_stacks(path, core, root)
        other = replace(elf, backend="gdb")
        assert better_of(memory, other, elf) is other
        assert is_sure(memory, elf)


def test_a_fault_of_the_processor_leads_to_no_handler_that_has_returned(root: Path) -> None:
    """The same stack, if the signal that ended the process were a fault: what lies above it is over."""
    with opened("bare") as (path, core):
        raised = b"\x0b\0\0\0" + b"\0" * 4 + b"\x01\0\0\0" + b"\0" * 116
        faulted = replace(core, notes=replace(core.notes, siginfo=raised))
        reading = elf_backend.read_stacks(path, faulted, root)
    assert not any(frame.trampoline for frame in reading.threads[0].frames)


def test_guesses_that_stay_in_code_are_better_than_words_of_the_stack(root: Path) -> None:
    """A recursion in code without call frame information, as of orjson 3.9.14, can only be scanned for."""
    with opened("bare") as (path, core):
        memory, elf = ProcessMemory(core, root), elf_backend.read_stacks(path, core, root)
        (thread,) = elf.threads
        sure, code = thread.frames[0], replace(thread.frames[1], scanned=True)
        words = replace(thread, frames=(sure, *[replace(code, pc=1)] * 3), doubts=("thread 1: guessed",))
        scanned = replace(thread, frames=(sure, *[code] * 30))
        gdb, elf = replace(elf, backend="gdb", threads=(words,)), replace(elf, threads=(scanned,))
        assert better_of(memory, gdb, elf) is elf
        assert better_of(memory, elf, gdb) is elf
