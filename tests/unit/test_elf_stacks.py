"""The backend `elf` on real cores of tests/data/cores/tiny.c."""

import shutil
import sys
import time
from collections import Counter
from dataclasses import replace
from inspect import CO_GENERATOR
from itertools import count
from pathlib import Path
from types import FrameType

import pytest

from orchestrator.crash.reader import read_crash
from orchestrator.crash.stacks.elf import backend as elf_backend
from orchestrator.crash.stacks.reading import Reading
from orchestrator.model import Sysroot
from tests.unit.real_cores import DATA, opened

DOWN = ["touch", "descend", "descend", "descend", "descend", "start", "_start"]
ABORTED = ["give_up", "restorer", *DOWN]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A sysroot with the programs of the cores."""
    (tmp_path / "faults").mkdir()
    for name in ("tiny", "tiny-unindexed"):
        shutil.copy(DATA / name, tmp_path / "faults" / name)
    return tmp_path


def read(name: str, root: Path) -> Reading:
    with opened(name) as (path, core):
        return elf_backend.read_stacks(path, core, root)


def functions(reading: Reading) -> list[str | None]:
    (thread,) = reading.threads
    return [frame.function for frame in thread.frames]


@pytest.mark.parametrize("name", ["tiny", "unindexed"])
def test_stacks_lead_through_a_handler_to_the_start(name: str, root: Path) -> None:
    reading = read(name, root)
    assert functions(reading) == ABORTED
    assert [frame.trampoline for frame in reading.threads[0].frames].index(True) == 1
    assert all(frame.exact for frame in reading.threads[0].frames[:-1])
    assert reading.warnings == ()


def test_registers_at_the_fault_are_those_that_the_kernel_saved(root: Path) -> None:
    (thread,) = read("tiny", root).threads
    assert set(thread.registers) == {0, 1, 2, 3, 4, 5}
    assert thread.registers[2]["rip"] == thread.frames[2].pc
    assert thread.registers[0]["rip"] == thread.frames[0].pc


def test_the_flags_at_the_fault_are_those_that_the_kernel_saved(root: Path) -> None:
    (thread,) = read("tiny", root).threads
    # The CPU sets the resume flag (bit 16) in what it saves at a fault; no running code sees it set.
    assert thread.registers[2]["eflags"] & 1 << 16
    assert not thread.registers[0]["eflags"] & 1 << 16


def test_lines_and_entries_are_those_of_the_debug_information(root: Path) -> None:
    (thread,) = read("tiny", root).threads
    source = (DATA / "tiny.c").read_text().splitlines()
    touch = next(frame for frame in thread.frames if frame.function == "touch")
    assert touch.line is not None
    assert "return thing->value" in source[touch.line - 1]
    assert touch.start is not None
    assert touch.start <= touch.pc


def test_the_caller_of_a_wild_jump_is_found(root: Path) -> None:
    reading = read("jump", root)
    assert functions(reading) == [None, "jump", "start", "_start"]
    assert not any(frame.scanned for frame in reading.threads[0].frames)


def test_the_original_fault_is_named_first(root: Path) -> None:
    with opened("tiny") as (path, core):
        crash = read_crash(path, core, Sysroot(path=str(root)), backends=["elf"])
    assert (crash.signal.name, crash.signal.delivered) == ("SIGSEGV", "SIGABRT")
    assert crash.crash.function == "touch"
    assert crash.backends["elf"]


def test_without_the_program_a_scan_is_marked_or_the_end_is_said(tmp_path: Path) -> None:
    reading = read("tiny", tmp_path)
    assert any("/faults/tiny" in line for line in reading.warnings)
    assert any("stack ends early" in line for line in reading.warnings)
    assert set(reading.warnings) <= set(reading.unsure)


def test_another_build_is_refused(root: Path) -> None:
    shutil.copy(DATA / "tiny-unindexed", root / "faults" / "tiny")
    reading = read("tiny", root)
    assert any("its build id is" in line for line in reading.warnings)
    assert "descend" not in functions(reading)


def test_a_link_out_of_the_sysroot_is_not_followed(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("host") / "tiny"
    shutil.move(root / "faults" / "tiny", elsewhere)
    (root / "faults" / "tiny").symlink_to(elsewhere)
    assert "descend" not in functions(read("tiny", root))


def test_what_is_read_does_not_depend_on_the_load_of_the_machine(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Limits of time are of processor time: beside forty programs a core took over 10 s and lost names."""
    expected = read("tiny", root)
    hours = count(step=3600)
    monkeypatch.setattr(time, "monotonic", lambda: float(next(hours)))
    assert read("tiny", root) == expected


def calls_of_dwarf(root: Path, threads: int) -> Counter[str]:
    """The calls into orchestrator.binary.dwarf for a core with this many threads, all in one place."""
    called: Counter[str] = Counter()

    def note(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        # A generator is also called when it is collected, at any time.
        if event == "call" and "/binary/dwarf/" in code.co_filename and not code.co_flags & CO_GENERATOR:
            called[code.co_qualname] += 1

    with opened("tiny") as (path, core):
        (state,) = core.threads
        states = tuple(replace(state, tid=state.tid + number) for number in range(threads))
        many = replace(core, notes=replace(core.notes, threads=states))
        sys.setprofile(note)
        try:
            crash = read_crash(path, many, Sysroot(path=str(root)), backends=["elf"])
        finally:
            sys.setprofile(None)
    assert len(crash.threads) == threads
    return called


def test_debug_information_is_read_once_however_many_threads_are_in_one_place(root: Path) -> None:
    """A core with 223 threads took its whole allowance of time, and lost inlined calls by that."""
    one = calls_of_dwarf(root, 1)
    assert one
    assert calls_of_dwarf(root, 40) == one
