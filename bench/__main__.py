"""`nox -s bench`: the matrix against the shell loop that a user would write, on the same built images.

Both run the cells of the smoke profile, find the cores, and read each crash's backtrace with the
container's own libraries. The loop does what the public write-ups of such crashes did by hand: one
`docker run` after the other, `coredumpctl dump`, `docker cp` of /usr, gdb with that as its sysroot.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from bench.big_core import measure as measure_big_core
from bench.cells import measure as measure_cells
from bench.explain import measure as measure_explain
from bench.fleet import measure as measure_fleet
from bench.folders import measure_merge
from bench.one_core import measure as measure_one_core
from bench.plan import measure as measure_plan
from bench.report import measure as measure_report
from bench.start import measure as measure_start

ROOT: Final = Path(__file__).resolve().parent.parent
CASES: Final[dict[str, Callable[[int], int]]] = {
    "big-core": measure_big_core, "one-core": measure_one_core, "explain": measure_explain,
    "report": measure_report, "merge": measure_merge, "start": measure_start, "cells": measure_cells,
    "fleet": measure_fleet,
}  # fmt: skip
PROGRAM: Final = (sys.executable, "-m", "orchestrator")

LOOP: Final = """\
set -u
while IFS='\t' read -r cell image command; do
  name=bench-$RANDOM$RANDOM
  docker run --name "$name" --hostname "$name" ${command} >"$OUT/$name.log" 2>&1
  core=$OUT/$name.core
  for attempt in 1 2 3 4 5 6 7 8 9 10; do
    # An exit status of 0 needs no core; the loop cannot tell more than that.
    grep -q . "$OUT/$name.log" || break
    coredumpctl -q -o "$core" dump COREDUMP_HOSTNAME="$name" >/dev/null 2>&1 && break
    case $cell in *uwsgi*cpp*) sleep 0.1 ;; *) break ;; esac
  done
  if [ -s "$core" ]; then
    mkdir -p "$OUT/$name"
    docker cp "$name:/usr" "$OUT/$name/usr" >/dev/null
    docker cp "$name:/opt" "$OUT/$name/opt" >/dev/null
    ln -s usr/lib "$OUT/$name/lib"; ln -s usr/lib64 "$OUT/$name/lib64"
    gdb -nx -batch -iex 'set auto-load off' -iex 'set debuginfod enabled off' -iex "set sysroot $OUT/$name" \\
      -iex "set debug-file-directory $OUT/$name/usr/lib/debug" \\
      -ex "file $OUT/$name/opt/crashmatrix/bin/uwsgi" -ex "core-file $core" -ex 'thread apply all bt' \\
      >"$OUT/$name.bt" 2>/dev/null
    echo "$cell crashed"
  fi
  docker rm "$name" >/dev/null
done <"$OUT/cells.tsv"
"""


def main() -> int:
    """Run both sides alternately and print their medians and the ratio."""
    parser = argparse.ArgumentParser(prog="nox -s bench --", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="runs of each side (default: %(default)s)")
    parser.add_argument(
        "case", nargs="?", choices=("matrix", "plan", *CASES), default="matrix",
        help="the matrix against a shell loop; a large core; one core against reading it by hand; "
        "the rules for 10,000 cells; the full matrix planned; a report of as many; 200 shards merged; "
        "the start of commands; 40 empty cells against docker run (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--cells", type=int, default=100_000, help="cells of the large plan, such as 1000000 (%(default)s)"
    )
    arguments = parser.parse_args()
    if arguments.case == "plan":
        return measure_plan(arguments.rounds, arguments.cells)
    if arguments.case in CASES:
        return CASES[arguments.case](arguments.rounds)
    with tempfile.TemporaryDirectory(prefix="crashmatrix-bench-") as name:
        folder = Path(name)
        cells = _warm_up(folder)
        ours, loop = [], []
        for number in range(arguments.rounds):
            ours.append(_timed(partial(_run_matrix, folder / f"run-{number}")))
            loop.append(_timed(partial(_run_loop, folder / f"loop-{number}", cells)))
    _say(f"{'round':>14}: " + "  ".join(f"{number + 1:6}" for number in range(arguments.rounds)))
    _say(f"{'crashmatrix':>14}: " + "  ".join(f"{seconds:5.1f}s" for seconds in ours))
    _say(f"{'shell loop':>14}: " + "  ".join(f"{seconds:5.1f}s" for seconds in loop))
    ratio = statistics.median(loop) / statistics.median(ours)
    _say(
        f"crashmatrix runs the {len(cells)} cells in {statistics.median(ours):.1f} s (report and verdicts "
        f"included), the shell loop in {statistics.median(loop):.1f} s: {ratio:.1f} times as fast."
    )
    return 0


def _warm_up(folder: Path) -> list[dict[str, Any]]:
    """Build all images, and learn each cell's command from a run's results."""
    _run_matrix(folder / "warm")
    results = [json.loads(path.read_text()) for path in (folder / "warm").glob("*/cells/**/result.json")]
    return sorted(results, key=lambda result: str(result["cell"]))


def _run_matrix(reports: Path) -> None:
    _check([*PROGRAM, "run", "--profile", "smoke", "--reports", str(reports)])


def _run_loop(out: Path, cells: Sequence[dict[str, Any]]) -> None:
    out.mkdir()
    rows = [_row(result) for result in cells]
    (out / "cells.tsv").write_text("".join(f"{row}\n" for row in rows))
    done = subprocess.run(
        ["/bin/bash", "-c", LOOP], env=_environment(out), cwd=ROOT, capture_output=True, text=True, check=True
    )
    crashed = done.stdout.count(" crashed")
    expected = sum(result["expectation"]["kind"] == "signal" for result in cells)
    if crashed != expected:
        raise SystemExit(f"the loop saw {crashed} crashes, not {expected}: {done.stdout}{done.stderr}")
    shutil.rmtree(out)


def _row(result: dict[str, Any]) -> str:
    cell = "-".join(
        str(result["cell"][axis]) for axis in ("scenario", "python", "glibc", "launcher", "probe")
    )
    command = result["by_hand"].removeprefix("docker run --rm ")
    return f"{cell}\t{result['image_id']}\t{command}"


def _environment(out: Path) -> dict[str, str]:
    return {"OUT": str(out), "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}


def _timed(work: Callable[[], None]) -> float:
    start = time.monotonic()
    work()
    return time.monotonic() - start


def _check(command: Sequence[str]) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
