"""Crashes of two runs at one moment: each cell gets its own core, and no other's."""

import time
from datetime import datetime
from typing import Final

from orchestrator.model import CoreState
from tests.chaos.lab import Lab, Ran
from tests.chaos.table import Row, compared

PART: Final = "crowds"
EACH, SHORT_EACH = 16, 3
RUNS: Final = 2
START: Final = 3.0
"""Seconds in which a container of a crowd starts, on two processors."""


def crowds(lab: Lab, *, short: bool) -> list[Row]:
    """Two runs of as many cells, which all wait for one moment, and crash."""
    each = SHORT_EACH if short else EACH
    names = [f"crash-at-{number}" for number in range(each)]
    moment = time.time() + 20 + RUNS * each * START
    started = []
    for number in range(RUNS):
        project = lab.project(f"crowd-{number}", names, 600)
        script = project / "deed.py"
        script.write_text(f"MOMENT = {moment}\n{script.read_text()}")
        started.append((project, lab.start(project, "--jobs", str(each))))
    rows = [row for project, process in started for row in _rows(project.name, lab.end(process, project))]
    return [*rows, *lab.nothing_left(PART)]


def _rows(name: str, ran: Ran) -> list[Row]:
    own, times = 0, []
    for result in ran.results:
        for trial in result.trials:
            thread = trial.crash.crashed_thread if trial.crash else None
            found = trial.core.state is CoreState.FOUND and thread is not None
            own += found and thread is not None and thread.tid == trial.outcome.pid
            times.append(datetime.fromisoformat(trial.outcome.started).timestamp() + trial.outcome.seconds)
    signatures = {trial.crash.signature for result in ran.results for trial in result.trials if trial.crash}
    cells = len(ran.results)
    spread = max(times) - min(times) if times else 0.0
    return [
        compared(PART, f"{name}: cores that are the cell's own", cells, own),
        compared(PART, f"{name}: signatures (within {spread:.1f} s)", 1, len(signatures)),
    ]
