"""`nox -s bench -- cells`: 40 cells that do nothing, all of one image, and what a user would do instead.

The other sides start the same image's python as often, two containers at a time: `docker run --rm --init` as
people type it; the same without a network, as a cell has none; and `docker exec` in one container, which
isolates nothing. A cell has its own supervisor, environment, report and verdict; it shares the container with
other cells, as the trials of a race do, unless its scenario says `share: 1`.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
CELLS: Final = 40
TRIALS: Final = 40
JOBS: Final = 2
MAY_BE: Final = {"cells": 0.6, "trials of one cell": 0.3}
"""What each side may take of the time of `docker run`."""
FIRST: Final = 0.7
"""Seconds from the command to its first container."""
SCENARIOS: Final = {
    "usual.yaml": "schema: 1\nscript: empty.py\nfiles: [empty.py]\naxes: {number: [NUMBERS]}\n",
    "alone.yaml": "schema: 1\nscript: empty.py\nfiles: [empty.py]\nshare: 1\naxes: {number: [NUMBERS]}\n",
    "race.yaml": f"schema: 1\nscript: empty.py\nfiles: [empty.py]\ntrials: {TRIALS}\n",
}
MATRIX: Final = """\
schema: 1
axes:
  scenario: [usual, alone, race]
  python: ["3.11"]
  glibc: ["2.36"]
  arch: [x86_64]
  launcher: [plain]
  probe: [none]
profiles:
  full: {title: Everything}
default_profile: full
"""
JOBS_FLAG: Final = ("--jobs", str(JOBS))
BY_HAND: Final = "seq {count} | xargs -P{jobs} -I% {docker} {image} python3 -c pass"


def measure(rounds: int) -> int:
    """Print the median of each side; exit code 1 where one is over its share of `docker run`'s time."""
    with tempfile.TemporaryDirectory(prefix="crashmatrix-bench-") as name:
        project = _project(Path(name))
        image = _warm_up(project)
        with _Open(image) as opened:
            sides: dict[str, Callable[[], object]] = {
                "docker run": partial(_by_hand, "docker run --rm --init", image),
                "docker run, no network": partial(_by_hand, "docker run --rm --init --network none", image),
                "docker exec": partial(_by_hand, "docker exec", opened),
                "cells": partial(_run, project, "usual", CELLS),
                "cells, share: 1": partial(_run, project, "alone", CELLS),
                "trials of one cell": partial(_run, project, "race", 1),
            }
            taken: dict[str, list[float]] = {title: [] for title in sides}
            for _ in range(rounds):
                for title, work in sides.items():
                    begin = time.monotonic()
                    work()
                    taken[title].append(time.monotonic() - begin)
        first = min(_until_first(project) for _ in range(rounds))
    return _say(taken, first)


def _say(taken: dict[str, list[float]], first: float) -> int:
    whole = statistics.median(taken["docker run"])
    over = False
    for title, times in taken.items():
        ratio = statistics.median(times) / whole
        limit = f" (may be {MAY_BE[title]})" if title in MAY_BE else ""
        over = over or ratio > MAY_BE.get(title, ratio)
        each = "  ".join(f"{seconds:5.1f}s" for seconds in times)
        sys.stdout.write(f"{title:>23}: {each}   {ratio:.2f} of docker run's time{limit}\n")
    sys.stdout.write(f"first container after {first:.2f} s (may be {FIRST})\n")
    return int(over or first > FIRST)


def _project(folder: Path) -> Path:
    (folder / "scenarios").mkdir()
    (folder / "empty.py").write_text("")
    (folder / "matrix.yaml").write_text(MATRIX)
    numbers = ", ".join(f"n{number}" for number in range(CELLS))
    for name, text in SCENARIOS.items():
        (folder / "scenarios" / name).write_text(text.replace("NUMBERS", numbers))
    return folder


def _warm_up(project: Path) -> str:
    """Build the images; returns the id of one that has the cells' python."""
    for scenario, cells in (("usual", CELLS), ("alone", CELLS), ("race", 1)):
        _run(project, scenario, cells)
    results = sorted((project / "reports").glob("*/cells/usual/*/result.json"))
    return str(json.loads(results[0].read_text())["image_id"])


def _run(project: Path, scenario: str, cells: int) -> None:
    """Run a scenario's cells, all of which must pass: the exit code is 0 for nothing else."""
    done = _check([*_command(project, scenario), *JOBS_FLAG])
    if f" {cells} of {cells} cell" not in done:
        raise SystemExit(f"{scenario} has not {cells} cells:\n{done}")


def _until_first(project: Path) -> float:
    """Seconds from the command to the start of its first container, by the engine's own events."""
    begin = time.time()
    _check([*_command(project, "race"), *JOBS_FLAG, "--trials", "1"])
    line = [
        "docker",
        "events",
        "--since",
        f"{begin:.6f}",
        "--until",
        f"{time.time():.6f}",
        "--format",
        "json",
    ]
    events = _check([*line, "--filter", "event=start", "--filter", "label=org.crashmatrix"])
    return min(float(json.loads(event)["timeNano"]) for event in events.splitlines()) / 1e9 - begin


def _command(project: Path, scenario: str) -> list[str]:
    return [sys.executable, "-m", "orchestrator", "--project", str(project), "run", "--scenario", scenario]


class _Open:
    """One container of an image that stays up, for `docker exec`; its id."""

    def __init__(self, image: str) -> None:
        self._image = image

    def __enter__(self) -> str:
        line = ["docker", "run", "-d", "--rm", "--init", "--network", "none", self._image]
        self._id = _check([*line, "sleep", "infinity"]).strip()
        return self._id

    def __exit__(self, *_: object) -> None:
        _check(["docker", "kill", self._id])


def _by_hand(docker: str, image: str) -> None:
    _check(["/bin/sh", "-c", BY_HAND.format(count=CELLS, jobs=JOBS, docker=docker, image=image)])


def _check(command: list[str]) -> str:
    # As installed: the modules' bytecode is kept, whatever this shell says.
    kept = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    done = subprocess.run(command, cwd=ROOT, env=kept, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{command[:6]} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr
