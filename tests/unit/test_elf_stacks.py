"""The backend `elf` on real cores of tests/data/cores/tiny.c."""

import shutil
import time
from itertools import count
from pathlib import Path

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
