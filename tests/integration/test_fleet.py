"""Cells on several hosts: a real dask scheduler, real workers, and this machine's engine, on the loopback."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import pytest

from orchestrator.model import CellResult, Verdict
from tests.integration.runs import ROOT, Run, command, run

CASES = 10
SCRIPT = """\
import os, time
case = os.environ["CRASHMATRIX_CASE"]
print("case", case, flush=True)
time.sleep(2)
if case == "c1":
    os.abort()
if case == "c2":
    raise SystemExit(3)
"""
SCENARIO = """\
schema: 1
script: repro.py
axes: {case: [CASES]}
share: 1
expect:
  - {when: case == 'c1', outcome: signal, signal: SIGABRT, because: it aborts}
  - {when: case == 'c2', outcome: exit, status: 3, because: it says so}
  - {when: "case != 'c1' and case != 'c2'", outcome: exit, status: 0, because: it only waits}
"""


def new_project(folder: Path, cases: int) -> Path:
    """Cells of one image that wait, one of which crashes and one of which fails, as expected."""
    (folder / "scenarios").mkdir(parents=True)
    (folder / "repro.py").write_text(SCRIPT)
    axes = 'python: ["3.11"], glibc: ["2.36"], arch: [x86_64], launcher: [plain]'
    (folder / "matrix.yaml").write_text(f"schema: 1\naxes: {{{axes}}}\n")
    names = ", ".join(f"c{number}" for number in range(1, cases + 1))
    (folder / "scenarios" / "repro.yaml").write_text(SCENARIO.replace("CASES", names))
    return folder


@dataclass
class Host:
    """A worker of the scheduler, with a cache of its own."""

    process: subprocess.Popen[bytes]
    cache: Path
    log: Path

    @property
    def has_cells(self) -> bool:
        """Whether it has begun to run a cell."""
        return any(self.cache.glob("fleet-runs/*/cells/**/trial-1"))

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)


@dataclass
class Lab:
    """A scheduler and its hosts, ended at the end of a test."""

    folder: Path
    address: str = ""
    hosts: list[Host] = field(default_factory=list)
    ends: ExitStack = field(default_factory=ExitStack)

    def schedule(self) -> None:
        place = self.folder / "scheduler.json"
        dask = str(Path(sys.executable).with_name("dask"))
        self._start("scheduler", [dask, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
                                  "--scheduler-file", str(place)])  # fmt: skip
        self.wait(lambda: place.exists() and place.stat().st_size > 0)
        self.address = json.loads(place.read_text())["address"]

    def add_host(self, jobs: int) -> Host:
        name = f"host-{len(self.hosts)}"
        line = [sys.executable, "-m", "orchestrator", "worker", self.address, "--jobs", str(jobs)]
        cache, log = self.folder / name, self.folder / f"{name}.log"
        process = self._start(name, line, CRASHMATRIX_CACHE=str(cache))
        self.wait(lambda: process.poll() is not None or b"connected, waiting for orders" in log.read_bytes())
        self.hosts.append(Host(process=process, cache=cache, log=log))
        return self.hosts[-1]

    def _start(self, name: str, line: list[str], **env: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                line, stdout=log, stderr=log, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT), **env}
            )
        self.ends.callback(end, process)
        return process

    def start_run(self, project: Path, reports: Path, **env: str) -> subprocess.Popen[bytes]:
        """Begin a run on the hosts; what it says is in `run.log`. Its patience is that of a busy machine."""
        line = command("run", "--reports", reports, "--scheduler", self.address, project=project)
        return self._start("run", line, CRASHMATRIX_FLEET_WAIT="600", **env)

    def finish(self, process: subprocess.Popen[bytes], reports: Path) -> Run:
        code = process.wait(timeout=1200)
        return Run(code=code, stdout=(self.folder / "run.log").read_text(), stderr="", reports=reports)

    def wait(self, until: Callable[[], bool]) -> None:
        """Wait for something; no test is about how long that takes."""
        deadline = time.monotonic() + 600
        while not until():
            assert time.monotonic() < deadline, "".join(p.read_text() for p in self.folder.glob("*.log"))
            time.sleep(0.05)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process, also one that was stopped."""
    if process.poll() is None:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def slowed(host: Host) -> Iterator[None]:
    """Let a worker run a fifth of the time, in pieces far shorter than a silence."""
    ended = threading.Event()

    def slow() -> None:
        while not ended.wait(0.2):
            host.send(signal.SIGSTOP)
            ended.wait(0.8)
            host.send(signal.SIGCONT)

    thread = threading.Thread(target=slow)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path)
    with lab.ends:
        lab.schedule()
        yield lab


def told(ended: Run) -> dict[str, tuple[Verdict, str, str | None]]:
    """What a run says of each cell; its signature where it crashed."""

    def one(result: CellResult) -> tuple[Verdict, str, str | None]:
        (trial,) = result.trials
        return (
            result.judgement.verdict,
            result.judgement.reason,
            trial.crash.signature if trial.crash else None,
        )

    return {name: one(result) for name, result in ended.results.items()}


@pytest.mark.slow
def test_cells_of_a_host_that_is_killed_run_elsewhere_with_the_verdicts_of_one_machine(
    smoke_run: Run, lab: Lab, tmp_path: Path
) -> None:
    assert smoke_run.code == 0
    project = new_project(tmp_path / "project", CASES)
    alone = run(reports=tmp_path / "alone", project=project)
    assert alone.code == 0, alone.stdout + alone.stderr
    for _ in range(2):
        lab.add_host(jobs=1)
    process = lab.start_run(project, tmp_path / "fleet")
    lab.wait(lambda: any(host.has_cells for host in lab.hosts) or process.poll() is not None)
    next(host for host in lab.hosts if host.has_cells).send(signal.SIGKILL)
    fleet = lab.finish(process, tmp_path / "fleet")
    logs = "".join(host.log.read_text() for host in lab.hosts)
    assert fleet.code == 0, fleet.stdout + logs
    assert told(fleet) == told(alone)
    assert len(fleet.results) == CASES
    assert re.search(r"is gone: what it ran \([1-9]\d* orders\) runs elsewhere", fleet.stdout), fleet.stdout
    assert f"All {CASES} cells are as expected" in fleet.stdout
    assert all(item.host and item.host.name == socket.gethostname() for item in fleet.results.values())
    crashed = next(name for name in fleet.results if name.endswith("case=c1"))
    host, core = fleet.results[crashed].host, fleet.results[crashed].trials[-1].core
    assert host, core.path
    assert (Path(host.folder) / str(core.path)).is_file(), "the core stays where it is"
    page = (fleet.folder / "cells" / crashed / "index.html").read_text()
    assert escape(host.place_of(str(core.path))) in page, "and the page says where"


@pytest.mark.slow
def test_of_four_hosts_one_is_killed_one_cut_off_and_one_slow_and_the_verdicts_are_those_of_one_machine(
    smoke_run: Run, lab: Lab, tmp_path: Path
) -> None:
    assert smoke_run.code == 0
    cells = 3 * CASES
    project = new_project(tmp_path / "project", cells)
    alone = run(reports=tmp_path / "alone", project=project)
    assert alone.code == 0, alone.stdout + alone.stderr
    killed, cut_off, slow, _ = [lab.add_host(jobs=1) for _ in range(4)]
    process = lab.start_run(project, tmp_path / "fleet", CRASHMATRIX_FLEET_SILENCE="20")
    with slowed(slow):
        lab.wait(lambda: (killed.has_cells and cut_off.has_cells) or process.poll() is not None)
        killed.send(signal.SIGKILL)
        cut_off.send(signal.SIGSTOP)
        said = tmp_path / "run.log"
        lab.wait(lambda: "has been silent for 20 s" in said.read_text() or process.poll() is not None)
        cut_off.send(signal.SIGCONT)
        fleet = lab.finish(process, tmp_path / "fleet")
    assert fleet.code == 0, fleet.stdout + "".join(host.log.read_text() for host in lab.hosts)
    assert told(fleet) == told(alone)
    assert len(fleet.results) == cells
    assert re.search(r"is gone: what it ran \([1-9]\d* orders\) runs elsewhere", fleet.stdout), fleet.stdout
    assert re.search(r"has been silent for 20 s: what it ran", fleet.stdout), fleet.stdout
    assert f"All {cells} cells are as expected" in fleet.stdout
