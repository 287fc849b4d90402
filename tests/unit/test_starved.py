"""Limits of time on a busy machine: a process that waits for a processor does not hang."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.supervisor.clock import Clock, waits
from tests.unit.supervised import Cell

HOGS = 4
PINNED = """\
import os, sys
os.sched_setaffinity(0, [{}])
{}
"""
SPIN = "while True: pass"
BUSY = "import time\nwhile time.process_time() < 1: pass"
COUNTED = "a kernel that counts for how long a process waits for a processor"


@pytest.fixture(scope="module")
def processor() -> Iterator[int]:
    """A processor with four processes beside what runs on it, each of a session of its own."""
    if not Path("/proc/self/schedstat").exists():
        pytest.skip(f"needs {COUNTED}")
    chosen = max(os.sched_getaffinity(0))
    spin = [sys.executable, "-c", PINNED.format(chosen, SPIN)]
    hogs = [subprocess.Popen(spin, start_new_session=True) for _ in range(HOGS)]
    yield chosen
    for hog in hogs:
        hog.kill()
        hog.wait()


@pytest.fixture
def cell(tmp_path: Path) -> Cell:
    return Cell(tmp_path)


def test_the_clock_leaves_out_what_a_process_waited_for_a_processor(processor: int) -> None:
    clock = Clock()
    starved = subprocess.Popen([sys.executable, "-c", PINNED.format(processor, SPIN)])
    try:
        while waits(os.getpid()).get(starved.pid, 0.0) < 3:
            time.sleep(0.05)
        passed = time.monotonic()
        assert clock.now() >= passed
        assert clock.left(passed) > 0
    finally:
        starved.kill()
        starved.wait()


def test_a_subject_that_waits_for_a_processor_does_not_hang(cell: Cell, processor: int) -> None:
    cell.driver(PINNED.format(processor, BUSY))
    cell.start("plain", 3).communicate(timeout=300)
    assert (cell.exit["kind"], cell.exit["status"]) == ("exit", 0)


def test_one_that_never_ends_hangs_there_too_and_a_note_says_what_it_waited(
    cell: Cell, processor: int
) -> None:
    cell.driver(PINNED.format(processor, SPIN))
    cell.start("plain", 1).communicate(timeout=300)
    assert cell.exit["kind"] == "hang"
    assert any(
        note.startswith("the time limit leaves out") and note.endswith("s in which it waited for a processor")
        for note in cell.exit["notes"]
    )
