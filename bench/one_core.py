"""`nox -s bench -- one-core`: a stored core to its native and Python stacks, against doing it by hand.

By hand, as the public write-ups of such crashes did it: unpack the core, copy /usr (/lib is a link into it)
and /opt out of the container, run gdb with that as its sysroot; it gives no Python frames. This program
reads the core as a run does, in a process that is there already, and by `crashmatrix analyze`, whose own
start counts. Each begins with an empty cache, and reads again with what the first reading left: the files
of the image. This crash the backend `elf` is sure of, so gdb is run by hand alone. A run also meets the same
crash again, and names it by the first.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from orchestrator.adapters import process
from orchestrator.adapters.jail import Jail
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


AS_A_RUN: Final = """\
import json, sys, time
from pathlib import Path
from orchestrator.cores import image_sysroot
from orchestrator.crash import CacheContext, StackCache, prepare, read_crash
from orchestrator.adapters.cache import cache_folder
from orchestrator.binary.core.corefile import open_core
from orchestrator.adapters.engine import Engine
from orchestrator.binary.core.unpack import plain_core
path, image = Path(sys.argv[1]), sys.argv[2]
engine, cache = Engine.connect(), cache_folder("sysroots")
taken = {}
def read(title, known):
    begin = time.monotonic()
    with plain_core(path) as plain, open_core(plain) as opened:
        core, sysroot = image_sysroot(engine, image, opened, cache=cache, labels={"crashmatrix": "bench"})
        cached = CacheContext(cache=known, image=image, origin="bench")
        crash = read_crash(plain, core, sysroot, cached=cached)
        prepare(core)
    taken[title] = time.monotonic() - begin
    assert "atexit_handler" in crash.signature
    assert crash.backends["gdb"] is None and crash.sources["python"] == "pystack"
    return crash
read("run, first", StackCache())
known = StackCache()
read("run, again", known)
assert read("run, same crash", known).named_from
print(json.dumps(taken))
"""
MAY_BE: Final = 0.25


def measure(rounds: int) -> int:
    """Run all sides alternately; returns 1 where a run's reading takes over a quarter of the time by hand."""
    sides: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="crashmatrix-bench-") as name:
        folder = Path(name)
        core, image = _stored(folder / "run")
        for number in range(rounds):
            cache = folder / f"cache-{number}"
            taken = {"analyze, first": _read(core, image, cache), "analyze, again": _read(core, image, cache)}
            taken |= _as_a_run(core, image, folder / f"runs-cache-{number}")
            taken["by hand"] = _by_hand(core, image, folder / f"hand-{number}")
            for title, seconds in taken.items():
                sides.setdefault(title, []).append(seconds)
    hand = statistics.median(sides["by hand"])
    for title, times in sides.items():
        median = statistics.median(times)
        each = "  ".join(f"{seconds:6.2f}s" for seconds in times)
        sys.stdout.write(f"{title:>15}: {each}   {median / hand:.2f} of the time by hand\n")
    free, jailed = (min(_start(jail) for _ in range(20)) for jail in (None, Jail()))
    sys.stdout.write(f"A program's start: {free * 1000:.1f} ms, in the jail of gdb {jailed * 1000:.1f} ms\n")
    first, again = (statistics.median(sides[title]) / hand for title in ("run, first", "run, again"))
    sys.stdout.write(
        f"In a run: {first:.2f}; once an image's files are here: {again:.2f} (may be {MAY_BE})\n"
    )
    return int(again > MAY_BE)


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


def _as_a_run(core: Path, image: str, cache: Path) -> dict[str, float]:
    """Seconds of each reading in one process; what it takes to start that is not in them."""
    line = [sys.executable, "-c", AS_A_RUN, str(core), image]
    taken: dict[str, float] = json.loads(_check(line, {"CRASHMATRIX_CACHE": str(cache)}))
    return taken


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


def _start(jail: Jail | None) -> float:
    begin = time.monotonic()
    process.run(["true"], hint="", jail=jail)
    return time.monotonic() - begin
