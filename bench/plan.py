"""`nox -s bench -- plan`: the whole matrix planned, and its images looked for, each by a process of its own.

What is asked is what `crashmatrix plan --profile full --json` and a `build` of images that are all there
do: nothing is built. The first round renders the recipes, the others find them.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
SECONDS: Final = 2.0
"""What planning the full matrix may take, and planning it and finding its images."""
PLAN: Final = ("-m", "orchestrator", "plan", "--profile", "full", "--json")
FIND: Final = """
import sys
from pathlib import Path
from orchestrator.pipeline.building import render_images
from orchestrator.pipeline.planning import Project, make_plan
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


def measure(rounds: int) -> int:
    """Print the best time of each; exit code 1 where one is more than it may be."""
    best: dict[str, tuple[float, float]] = {}
    with tempfile.TemporaryDirectory(prefix="crashmatrix-bench-") as name:
        out = Path(name) / "out"
        sides = {"planned": PLAN, "planned, and the images found": ("-c", FIND, str(Path(name) / "images"))}
        for _ in range(max(2, rounds)):
            for title, arguments in sides.items():
                timed = _timed(arguments, out)
                best[title] = min(timed, best.get(title, timed))
        sys.stdout.write(out.read_text(encoding="utf-8"))
    for title, (seconds, processor) in best.items():
        sys.stdout.write(
            f"{title}: {seconds:.2f} s (may be {SECONDS:.0f}; {processor:.2f} s of the processor)\n"
        )
    return int(max(best.values())[0] > SECONDS)


def _timed(arguments: tuple[str, ...], out: Path) -> tuple[float, float]:
    """Seconds by the clock on the wall, and of the processor."""
    # With the program's compiled modules, as it is installed: a container of CI may keep none.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with out.open("w", encoding="utf-8") as stream:
        begin, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environment, stdout=stream, check=True)
        seconds, after = time.monotonic() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
