"""The process that reads Python stacks: it waits for its core, reads one, and does not outlive this one."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.crash.stacks.python.worker import SCRIPT, Workers
from orchestrator.errors import TransientError
from tests.unit.real_cores import DATA, opened


@pytest.fixture
def workers() -> Iterator[Workers]:
    made = Workers()
    yield made
    made.end()


def read(workers: Workers, program: Path = DATA / "tiny") -> tuple[int, str]:
    """Read a core of a program that runs no Python."""
    with opened("tiny") as (path, _):
        done = workers.read(path, program, str(DATA))
    return done.status, done.complaint


def test_a_process_that_was_prepared_says_what_a_new_one_says(workers: Workers) -> None:
    new = read(workers)
    workers.prepare()
    workers.prepare()
    assert read(workers) == read(workers) == new
    assert new[0] == 1
    assert "Could not determine python version" in new[1]


def test_a_process_that_is_not_needed_ends_with_its_input() -> None:
    done = subprocess.run(
        [sys.executable, "-I", SCRIPT], input=b"", capture_output=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_it_lowers_its_own_limits_before_it_reads() -> None:
    with opened("tiny") as (path, _):
        order = {
            "core": str(path), "program": str(DATA / "tiny"), "folders": "", "frames": 1,
            "memory": 1 << 20, "written": 0,
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-I", SCRIPT], input=json.dumps(order).encode(),
            capture_output=True, check=False, timeout=60,
        )  # fmt: skip
    assert done.returncode != 0
    assert b"memory" in done.stderr.lower()


def test_one_that_takes_too_long_is_ended(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.crash.stacks.python.worker.TIMEOUT", 0)
    with pytest.raises(TransientError, match="did not end within 0 s"):
        read(workers)
