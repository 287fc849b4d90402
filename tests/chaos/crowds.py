"""Crashes of two runs at one moment: each cell gets its own core, and no other's."""

import subprocess
import time
from datetime import datetime
from typing import Final

from orchestrator.model import CoreState, Trial
from tests.chaos.lab import Lab, Ran
from tests.chaos.table import Row, compared

PART: Final = "crowds"
EACH, SHORT_EACH = 16, 3
RUNS: Final = 2
WAIT: Final = 600
"""Seconds within which all containers of a crowd run, and those that each waits for its moment."""
TELL: Final = 1.5
"""Seconds for writing the moment of the crash into each container, on a busy machine."""
ANYBODY: Final = "1000:1000"


def crowds(lab: Lab, *, short: bool) -> list[Row]:
    """Two runs whose cells all crash at one given moment."""
    each = SHORT_EACH if short else EACH
    names = [f"crash-when-told-{number}" for number in range(each)]
    projects = [lab.project(f"crowd-{number}", names, WAIT) for number in range(RUNS)]
    started = [lab.start(project, "--jobs", str(each)) for project in projects]
    _tell(lab, RUNS * each, started)
    ended = [lab.end(process, project) for process, project in zip(started, projects, strict=True)]
    rows = [row for project, ran in zip(projects, ended, strict=True) for row in _rows(project.name, ran)]
    return [*rows, *lab.nothing_left(PART)]


def _tell(lab: Lab, count: int, started: list["subprocess.Popen[str]"]) -> None:
    """Wait until so many containers run, and write one moment into each."""
    end = time.monotonic() + WAIT
    with lab.engine.client() as client:
        while len(client.containers.list()) < count and any(process.poll() is None for process in started):
            if time.monotonic() > end:
                raise TimeoutError(f"{len(client.containers.list())} of {count} containers run")
            time.sleep(0.2)
        moment = time.time() + TELL * count
        write = f"echo {moment} >/work/.moment && mv /work/.moment /work/moment"
        for container in client.containers.list():
            container.exec_run(["sh", "-c", write], user=ANYBODY)


def _rows(name: str, ran: Ran) -> list[Row]:
    trials = [trial for result in ran.results for trial in result.trials]
    ends = [datetime.fromisoformat(one.outcome.started).timestamp() + one.outcome.seconds for one in trials]
    spread = max(ends, default=0) - min(ends, default=0)
    signatures = {trial.crash.signature for trial in trials if trial.crash}
    return [
        compared(PART, f"{name}: cores that are the cell's own", len(ran.results), sum(map(_is_own, trials))),
        compared(PART, f"{name}: signatures (ends within {spread:.1f} s)", 1, len(signatures)),
    ]


def _is_own(trial: Trial) -> bool:
    """Whether the core is of the very process that the supervisor started."""
    thread = trial.crash.crashed_thread if trial.crash else None
    return trial.core.state is CoreState.FOUND and thread is not None and thread.tid == trial.outcome.pid
