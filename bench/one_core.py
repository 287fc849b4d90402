"""`nox -s bench -- one-core`: a stored core to its native and Python stacks, against doing it by hand.

By hand, as the public write-ups of such crashes did it: unpack the core, copy /usr and /opt out of the
container, run gdb with that as its sysroot; it gives no Python frames. This program starts with an empty
cache in every round, and then again with what the first reading left.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from orchestrator.model import CellResult

CELL: Final = "tls-atexit/py3.11-glibc2.36-x86_64-uwsgi-cpp"
BY_HAND: Final = """\
set -eu
zstd -q -d "$CORE" -o "$OUT/core"
name=$(docker create "$IMAGE" -)
docker cp "$name:/usr" "$OUT/usr" >/dev/null
docker cp "$name:/opt" "$OUT/opt" >/dev/null
docker rm "$name" >/dev/null
ln -s usr/lib "$OUT/lib"; ln -s usr/lib64 "$OUT/lib64"
gdb -nx -batch -iex 'set auto-load off' -iex 'set debuginfod enabled off' -iex "set sysroot $OUT" \\
  -iex "set debug-file-directory $OUT/usr/lib/debug" \\
  -ex "file $OUT/opt/crashmatrix/bin/uwsgi" -ex "core-file $OUT/core" -ex 'thread apply all bt' \\
  >"$OUT/bt" 2>&1
grep -q atexit_handler "$OUT/bt"
"""


def measure(rounds: int) -> int:
    """Run all sides alternately; returns 1 where reading takes more than a quarter of the time by hand."""
    with tempfile.TemporaryDirectory(prefix="crashmatrix-bench-") as name:
        folder = Path(name)
        core, image = _stored(folder / "run")
        sides: dict[str, list[float]] = {"first": [], "again": [], "by hand": []}
        for number in range(rounds):
            cache = folder / f"cache-{number}"
            sides["first"].append(_read(core, image, cache))
            sides["again"].append(_read(core, image, cache))
            sides["by hand"].append(_by_hand(core, image, folder / f"hand-{number}"))
    for title, seconds in sides.items():
        sys.stdout.write(f"{title:>8}: {'  '.join(f'{second:6.2f}s' for second in seconds)}\n")
    first, again, hand = (statistics.median(seconds) for seconds in sides.values())
    sys.stdout.write(
        f"From a stored core to its stacks: {first:.2f} s, again {again:.2f} s; by hand {hand:.2f} s: "
        f"{first / hand:.2f} and {again / hand:.2f} of the time (may be 0.25).\n"
    )
    return int(first / hand > 0.25)


def _stored(reports: Path) -> tuple[Path, str]:
    """The core and the image of a cell that crashes, from a run of it."""
    _check([sys.executable, "-m", "orchestrator", "run", "--cell", CELL, "--reports", str(reports)], {})
    (path,) = reports.glob("*/cells/**/result.json")
    result = CellResult.model_validate_json(path.read_text())
    stored = next((trial.core.path for trial in result.trials if trial.core.path), None)
    if stored is None or result.image_id is None:
        raise SystemExit(f"{CELL} left no core: {result.judgement.reason}")
    (plan,) = reports.glob("*/plan.json")
    return plan.parent / stored, result.image_id


def _read(core: Path, image: str, cache: Path) -> float:
    line = [sys.executable, "-m", "orchestrator", "analyze", str(core), "--image", image, "--json"]
    begin = time.monotonic()
    said = _check(line, {"CRASHMATRIX_CACHE": str(cache)})
    seconds = time.monotonic() - begin
    if "atexit_handler" not in said:
        raise SystemExit("the stacks are not in the answer")
    return seconds


def _by_hand(core: Path, image: str, out: Path) -> float:
    out.mkdir()
    begin = time.monotonic()
    _check(["/bin/bash", "-c", BY_HAND], {"CORE": str(core), "IMAGE": image, "OUT": str(out)})
    seconds = time.monotonic() - begin
    shutil.rmtree(out)
    return seconds


def _check(line: list[str], env: dict[str, str]) -> str:
    # As installed: the modules' bytecode is kept, whatever this shell says.
    kept = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    done = subprocess.run(line, env={**kept, **env}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{line[:4]} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout
