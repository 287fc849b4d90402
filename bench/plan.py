"""`nox -s bench -- plan`: the whole matrix planned and its images looked for, and a plan of very many cells.

What is asked is what `crashmatrix plan --profile full --json` and a `build` of images that are all there
do: nothing is built. The first round renders the recipes, the others find them. Each is a process of its own.
The cost of one cell is the difference between a large matrix and a small one, without that of the start.
"""

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.large_matrix import write_project

ROOT: Final = Path(__file__).resolve().parent.parent
SECONDS: Final = 2.0
"""Of the processor: what planning the full matrix may take, and planning it and finding its images."""
FEW: Final = 4_000
CELL_MICROSECONDS: Final = 20.0
CELL_KILOBYTES: Final = 1.0
"""What a cell of a large plan may cost: processor time, and memory at the peak."""
PROGRAM: Final = ("-m", "orchestrator")
JSON: Final = ("plan", "--json")
PLAN: Final = (*PROGRAM, *JSON, "--profile", "full")
FIND: Final = """
import sys
from pathlib import Path
from orchestrator.pipeline.building import render_images
from orchestrator.pipeline.planning import make_plan
from orchestrator.pipeline.projects import Project
from orchestrator.matrix import Request
from orchestrator.adapters.engine import Engine
planned = make_plan(Project.load(Path()), Request(profile="full"))
render_images(planned, Path(sys.argv[1]))
present = Engine.connect().images()
found = sum(spec.key in present for spec in planned.specs)
cells = len(planned.plan.cells)
print(f"{cells:,} cells to run and {planned.plan.excluded_count:,} excluded; "
      f"{found:,} of {len(planned.specs):,} images are there")
"""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Of one process: seconds by the clock on the wall and of the processor, and its peak memory in bytes."""

    seconds: float
    processor: float
    memory: int


def measure(rounds: int, cells: int) -> int:
    """Print the best time of each; exit code 1 where one is more than it may be."""
    within = _measure_full(max(2, rounds))
    return int(not (_measure_large(rounds, cells) and within))


def _measure_full(rounds: int) -> bool:
    best: dict[str, Cost] = {}
    with tempfile.TemporaryDirectory(prefix="crashmatrix-bench-") as name:
        out = Path(name) / "out"
        sides = {"planned": PLAN, "planned, and the images found": ("-c", FIND, str(Path(name) / "images"))}
        for _ in range(rounds):
            for title, arguments in sides.items():
                cost = _cost(arguments, out)
                best[title] = min(cost, best.get(title, cost), key=lambda cost: cost.processor)
        _say(out.read_text(encoding="utf-8").rstrip())
    for title, cost in best.items():
        limit = f"may be {SECONDS:.0f}; {cost.seconds:.2f} s in all"
        _say(f"{title}: {cost.processor:.2f} s of the processor ({limit})")
    return max(cost.processor for cost in best.values()) <= SECONDS


def _measure_large(rounds: int, cells: int) -> bool:
    """A plan of so many cells against one of a few, and one shard of 200 of it."""
    with tempfile.TemporaryDirectory(prefix="crashmatrix-bench-") as name:
        folder = Path(name)
        few, many = write_project(folder / "few", FEW), write_project(folder / "many", cells)
        small, large, shard = (
            _best(rounds, (*PROGRAM, "--project", str(folder / which), *JSON, *more), folder / "out")
            for which, more in (("few", ()), ("many", ()), ("many", ("--shard", "7/200")))
        )
        size = (folder / "out").stat().st_size
    microseconds = (large.processor - small.processor) / (many - few) * 1e6
    kilobytes = (large.memory - small.memory) / (many - few) / 1e3
    _say(
        f"{many:,} cells planned: {large.processor:.1f} s of the processor and {large.memory / 1e6:,.0f} MB; "
        f"for each cell {microseconds:.1f} µs (may be {CELL_MICROSECONDS:.0f}) and {kilobytes:.2f} kB "
        f"(may be {CELL_KILOBYTES:.0f})"
    )
    _say(
        f"shard 7/200 of them: {shard.processor:.1f} s and {shard.memory / 1e6:,.0f} MB, a plan.json of "
        f"{size / 1e3:,.0f} kB"
    )
    return microseconds <= CELL_MICROSECONDS and kilobytes <= CELL_KILOBYTES


def _best(rounds: int, arguments: tuple[str, ...], out: Path) -> Cost:
    return min((_cost(arguments, out) for _ in range(rounds)), key=lambda cost: cost.processor)


def _cost(arguments: tuple[str, ...], out: Path) -> Cost:
    # With the program's compiled modules, as it is installed: a container of CI may keep none.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with out.open("w", encoding="utf-8") as stream:
        begin = time.monotonic()
        process = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, env=environment, stdout=stream)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.monotonic() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(arguments[:6])} ended with {process.returncode}")
    return Cost(seconds=seconds, processor=used.ru_utime + used.ru_stime, memory=used.ru_maxrss * 1024)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
