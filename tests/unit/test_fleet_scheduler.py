"""A real dask scheduler, in a process of its own, with and without this program in its environment."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrator.adapters.cluster import Cluster
from orchestrator.errors import EXIT_HOST, HostError

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def scheduler(folder: Path, **environment: str) -> Iterator[str]:
    """A scheduler that is started in this folder; yields its address."""
    file, log = folder / "scheduler.json", folder / "scheduler.log"
    command = [
        *(sys.executable, "-c", "from distributed.cli.dask_scheduler import main; main()"),
        *("--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file)),
    ]
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with log.open("w") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=kept | environment, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        while not (file.is_file() and file.read_text().endswith("}")):
            assert process.poll() is None, log.read_text()
            time.sleep(0.05)
        yield json.loads(file.read_text())["address"]
    finally:
        process.terminate()
        process.wait()


def answer(frame: bytes) -> bytes:
    return frame


def told(_token: str, _what: str) -> None:
    pass


def test_a_scheduler_without_this_program_is_refused_in_one_line(tmp_path: Path) -> None:
    with scheduler(tmp_path) as address, pytest.raises(HostError) as raised:
        Cluster.connect(address, 60.0, answer, told)
    assert raised.value.what.startswith(f"the scheduler at {address} cannot import crashmatrix: ")
    assert "\n" not in raised.value.what
    assert "crashmatrix[fleet]" in raised.value.hint
    assert raised.value.exit_code == EXIT_HOST


def test_a_scheduler_with_this_program_has_no_worker_at_first(tmp_path: Path) -> None:
    with scheduler(tmp_path, PYTHONPATH=str(ROOT)) as address:
        cluster = Cluster.connect(address, 60.0, answer, told)
        assert cluster.workers() == {}
        cluster.close()
