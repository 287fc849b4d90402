"""`nox -s bench -- start`: what commands take that do little, as multiples of the interpreter's own start.

The other side is `python -c "import argparse"`. Processor time is compared, which other programs' load
changes less than the time on the wall. `plan --list` reads the project's files; `analyze` reads a small core.
"""

import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
CORE: Final = "tests/data/cores/plain.core.zst"
PROGRAM: Final = ("-m", "orchestrator")
SIDES: Final = {
    "--help": (*PROGRAM, "--help"),
    "plan --list": (*PROGRAM, "plan", "--profile", "smoke", "--offline", "--list"),
    "analyze": (*PROGRAM, "analyze", CORE, "--backend", "elf", "--json"),
    "doctor --json": (*PROGRAM, "doctor", "--json"),
}
LIMITS: Final = {"--help": 5, "plan --list": 20, "analyze": 30}
"""Multiples that a command may take. Measured: 2.7, 15.0 and 21.1, on a machine under load."""


def measure(rounds: int) -> int:
    """Print the median of each; exit code 1 where one is more than it may be."""
    times: dict[str, list[float]] = {title: [] for title in ("python", *SIDES)}
    for number in range(max(20, rounds) + 1):
        for title, arguments in {"python": ("-c", "import argparse"), **SIDES}.items():
            seconds = _processor_seconds(arguments)
            if number:  # The first round compiles the modules.
                times[title].append(seconds)
    own = statistics.median(times["python"])
    ratios = {title: statistics.median(times[title]) / own for title in SIDES}
    sys.stdout.write(f"{'python':>14}: {1000 * own:5.0f} ms of the processor\n")
    for title, ratio in ratios.items():
        limit = f" (may be {LIMITS[title]})" if title in LIMITS else ""
        sys.stdout.write(f"{title:>14}: {1000 * own * ratio:5.0f} ms, {ratio:.1f} times as much{limit}\n")
    return int(any(ratios[title] > limit for title, limit in LIMITS.items()))


def _processor_seconds(arguments: tuple[str, ...]) -> float:
    # With compiled modules, as the program is installed: a container of CI may keep none.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, check=False
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
