"""`nox -s bench -- report` and `-- merge`: the cost of the commands that read large runs, each a process.

What ten times the cells cost is the ratio: about ten, as long as each document is parsed once.
"""

import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from orchestrator.model import Plan
from tests.unit import run_factory as factory
from tests.unit.large_run import cells, write_large

ROOT: Final = Path(__file__).resolve().parent.parent
CELLS: Final = 10_000
SHARDS: Final = 200
REPORT_SECONDS: Final = 10.0
REPORT_MEGABYTES: Final = 300.0
MERGE_SECONDS: Final = 15.0


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a process took: seconds of the processor, and megabytes of memory at its peak."""

    seconds: float
    megabytes: float


def cost(*arguments: str) -> Cost:
    """Run crashmatrix; what it took. The exit code is that of a run with failures, or 0."""
    # With the program's compiled modules, as it is installed: a container of CI may keep none.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPATH"] = str(ROOT)
    quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    command = (sys.executable, "-m", "orchestrator", *arguments)
    process = os.posix_spawn(command[0], command, environment, file_actions=quiet)
    _, status, usage = os.wait4(process, 0)
    if os.waitstatus_to_exitcode(status) not in (0, 1, 3):
        raise SystemExit(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")
    return Cost(seconds=usage.ru_utime + usage.ru_stime, megabytes=usage.ru_maxrss * 1024 / 1e6)


def measure_report() -> bool:
    """Print what `report` costs; whether it is within its limits."""
    with tempfile.TemporaryDirectory(prefix="crashmatrix-bench-") as name:
        large, tenth = (
            cost("report", str(write_large(Path(name) / str(count) / "run", count)))
            for count in (CELLS, CELLS // 10)
        )
    _say("report", f"{CELLS:,} cells", large, tenth, REPORT_SECONDS)
    sys.stdout.write(f"report: {large.megabytes:.0f} MB (may be {REPORT_MEGABYTES:.0f})\n")
    return large.seconds <= REPORT_SECONDS and large.megabytes <= REPORT_MEGABYTES


def measure_merge(_rounds: int) -> int:
    """Print what `merge` costs; exit code 1 where that is more than it may be."""
    with tempfile.TemporaryDirectory(prefix="crashmatrix-bench-") as name:
        large, tenth = (
            cost("merge", *_shards(Path(name) / str(count), count), "--into", f"{name}/{count}/merged/run")
            for count in (CELLS, CELLS // 10)
        )
    _say("merge", f"{SHARDS} shards of {CELLS:,} cells", large, tenth, MERGE_SECONDS)
    return int(large.seconds > MERGE_SECONDS)


def _shards(folder: Path, count: int) -> list[str]:
    """Write the folders of a run's shards; returns their paths."""
    every, made = cells(count), []
    for number in range(SHARDS):
        part = factory.write_run(
            folder / "parts" / f"part{number + 1:03}", factory.RunSpec(cells=every[number::SHARDS])
        )
        plan = Plan.model_validate_json((part / "plan.json").read_bytes())
        (part / "plan.json").write_text(
            plan.model_copy(update={"shard": f"{number + 1}/{SHARDS}"}).model_dump_json(), encoding="utf-8"
        )
        made.append(str(part))
    return made


def _say(command: str, what: str, large: Cost, tenth: Cost, limit: float) -> None:
    ratio = large.seconds / tenth.seconds
    sys.stdout.write(
        f"{command} of {what}: {large.seconds:.1f} s of the processor (may be {limit:.0f}), "
        f"{large.megabytes:.0f} MB; ten times the cells take {ratio:.1f} times as long\n"
    )
