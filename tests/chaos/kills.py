"""kill -9 at any moment of a run, which is then resumed: the same verdicts as an undisturbed one."""

import random
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.chaos.lab import Lab, results, same
from tests.chaos.table import Row

PART: Final = "kills"
CELLS: Final = ("nothing", "crash", "exit-like-a-signal", "many-children-crash", "escape-sequences")
KILLS, SHORT_KILLS = 50, 4
SEED: Final = 13
EARLIEST, LATEST = 8.0, 24.0
"""Seconds between which the last moment for a kill lies: half of what an undisturbed run takes here."""


def kills(lab: Lab, *, short: bool) -> list[Row]:
    """Kill runs of a few cells, their builds included, and resume them, until so many were killed."""
    began = time.monotonic()
    whole = lab.run(lab.project("whole", CELLS))
    latest = min(LATEST, max(EARLIEST, (time.monotonic() - began) / 2))
    left = SHORT_KILLS if short else KILLS
    rng = random.Random(SEED)  # noqa: S311 - it must be repeatable, not secret
    rows: list[Row] = []
    number = 0
    while left:
        number += 1
        project = lab.project(f"killed-{number}", CELLS)
        # Another script is another image, so that builds are killed too.
        (project / "deed.py").write_text(f"# {number}\n" + (project / "deed.py").read_text())
        killed = _kill_until_done(lab, project, lambda: rng.uniform(0, latest), left)
        left -= killed
        ran = lab.run(project, *resumed(project))
        rows.append(same(PART, f"run {number}, killed {killed} times", whole, ran))
    return [*rows, *lab.nothing_left(PART)]


def _kill_until_done(lab: Lab, project: Path, moment: Callable[[], float], most: int) -> int:
    """Kill a run and those that resume it, each at some moment; returns how often, before one ended."""
    for killed in range(most):
        process = lab.start(project, *resumed(project))
        try:
            process.wait(timeout=moment())
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            results(project / "reports")  # each is whole
        else:
            process.communicate()
            return killed
    return most


def resumed(project: Path) -> tuple[str, ...]:
    """The flag that resumes the project's run; empty if no run has been recorded yet."""
    plans = list((project / "reports").glob("*/plan.json"))
    return ("--resume", str(plans[0].parent)) if plans else ()
