"""Tabulate runs of tests/data/projects/recipes: `python -m bench.recipes RUN...`; without a run, make one.

Each cell starts five processes that crash by one bug. bugs.yaml says where each bug is told, what is done,
and which function a maintainer would name.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Final

import yaml

from bench.recipes.keys import Pairs, Seen, clusterfuzz_state, confused, count_pairs
from orchestrator.model import CellResult
from orchestrator.rundir import RunFolder

ROOT: Final = Path(__file__).parents[2]
PROJECT: Final = ROOT / "tests/data/projects/recipes"
COPY: Final = ROOT / "build/recipes"
"""Where it runs, and keeps its runs."""
ENVIRONMENTS: Final = {
    'scenario in ("cpython", "packages")': ("3.11-2.36", "3.12-2.43"),
    'scenario == "told"': ("3.9-2.31", "3.11-2.36"),
    'scenario == "old"': ("3.9-2.31", "3.10-2.43"),
}
"""Where the bugs run: two environments, of CPython and glibc, that have wheels of a scenario's packages."""
BUGS: Final = Path(__file__).with_name("bugs.yaml")


def main() -> int:
    """Print the table and the two figures on keys, by signatures and by ClusterFuzz's rule."""
    parser = argparse.ArgumentParser(prog="python -m bench.recipes", description=__doc__)
    parser.add_argument("runs", nargs="*", type=Path, help="folders of finished runs")
    runs = parser.parse_args().runs or [_run()]
    seen = sorted(
        (item for run in runs for result in RunFolder(run).load_results().results for item in _seen(result)),
        key=lambda item: (item.bug, item.environment),
    )
    sys.stdout.write("\n".join([*_table(seen), "", *_figures(seen)]) + "\n")
    return 0 if seen else 1


def _run() -> Path:
    """Run the project; a bug that does not crash is a failure of its cell."""
    shutil.copytree(PROJECT, COPY, dirs_exist_ok=True)
    command = [sys.executable, "-m", "orchestrator", "run", "--arch", "x86_64", "--launcher", "plain"]
    command += ["-k", " or ".join(_expressions())]
    subprocess.run(command, cwd=COPY, check=False, env=os.environ | {"PYTHONPATH": str(ROOT)})
    return max((COPY / "reports").iterdir(), key=lambda folder: folder.stat().st_mtime)


def _expressions() -> Iterator[str]:
    for scenario, environments in ENVIRONMENTS.items():
        pairs = (environment.split("-") for environment in environments)
        places = (f'python == "{python}" and glibc == "{glibc}"' for python, glibc in pairs)
        yield f"{scenario} and ({' or '.join(places)})"


def read_bugs() -> dict[str, dict[str, str]]:
    """What bugs.yaml says of each bug: `do`, `right`, and `package` and `told` where it has them."""
    scenarios: dict[str, dict[str, dict[str, str]]] = yaml.safe_load(BUGS.read_text(encoding="utf-8"))
    return {name: bug for bugs in scenarios.values() for name, bug in bugs.items()}


def _seen(result: CellResult) -> Iterator[Seen]:
    """The crashes of a cell: of its process, and of the processes that this started."""
    axes = result.cell.axes
    crashes = [trial.crash for trial in result.trials]
    crashes += [other.crash for trial in result.trials for other in trial.others]
    for crash in filter(None, crashes):
        yield Seen(
            bug=axes["bug"],
            environment=f"py{axes['python']}-glibc{axes['glibc']}-{axes['arch']}",
            signature=crash.signature,
            state=clusterfuzz_state(crash),
        )


def _table(seen: Sequence[Seen]) -> Iterator[str]:
    bugs = read_bugs()
    yield "| package | told | what to do | environment | crashes | signatures | named right |"
    yield "|---|---|---|---|---|---|---|"
    for (bug, environment), items in groupby(seen, key=lambda item: (item.bug, item.environment)):
        counts = Counter(item.signature for item in items)
        many = len(counts) > 1
        keys = "; ".join(f"`{key}`" + f" ({count})" * many for key, count in counts.items())
        known = bugs[bug]
        right = sum(count for key, count in counts.items() if re.search(known["right"], key))
        yield (
            f"| {known.get('package', 'CPython')} | {known.get('told', '')} | {known['do']} | {environment} "
            f"| {counts.total()} | {keys} | {right} |"
        )


def _figures(seen: Sequence[Seen]) -> Iterator[str]:
    bugs = Counter(item.bug for item in seen)
    environments = {item.environment for item in seen}
    yield f"{len(seen)} crashes of {len(bugs)} bugs in {len(environments)} environments."
    for name, key in (("signature", "signature"), ("ClusterFuzz's rule", "state")):
        yield _figure(name, count_pairs([(item.bug, getattr(item, key)) for item in seen]))
        for text, names in confused(seen, key):
            yield f"  - one key, {len(names)} bugs: `{text}`: {', '.join(names)}"


def _figure(name: str, pairs: Pairs) -> str:
    same = f"{pairs.same_shared:,} of {pairs.same:,} pairs of one bug share a key"
    other = f"{pairs.different_shared:,} of {pairs.different:,} pairs of different bugs"
    rates = _percent(pairs.same_shared, pairs.same), _percent(pairs.different_shared, pairs.different)
    return f"- {name}: {same} ({rates[0]}), and {other} ({rates[1]})."


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f} %" if whole else "no pair"


if __name__ == "__main__":
    sys.exit(main())
