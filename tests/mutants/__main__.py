"""`nox -s mutants -- PACKAGE [MODULE ...]`: change a package one expression at a time, and test each change.

mutmut makes the mutants, in a copy of this checkout (build/mutants/PACKAGE). A mutant that no test fails for
survives: a test is missing, or the change makes no difference. A run that was stopped continues, and a
function that did not change is not tested again. `--show` prints the survivors of the last run.
"""

import argparse
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from configparser import RawConfigParser
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PROGRAM: Final = "orchestrator"
TESTS: Final[Mapping[str, tuple[str, ...]]] = {
    "crash/signature": ("crash_signature", "signature_hang", "signature_recipes"),
    "explain": ("explain", "explain_words"),
    "matrix": (
        *("blocks", "bisect_axes", "cover", "expression", "jobs", "mistakes", "plan", "planned_cells"),
        *("project_file", "requirements", "serving_keys", "start", "terms", "user_code"),
    ),
    "matrix/expression": ("expression",),
    "rundir": ("rundir", "rundir_transfer", "hostile_runs", "hostile_schemas"),
    "verdict": ("verdict", "verdict_reasons", "user_tests"),
}
"""The unit tests that cover a package: tests/unit/test_NAME.py."""
OPTIONS: Final = ("-p", "no:cacheprovider", "--hypothesis-profile=mutants")
"""Options of pytest: a property has the same examples for each mutant."""
LISTED: Final = 100
"""Survivors that are shown with their change."""


def main() -> int:
    """Run mutmut, then print the score of each module and the survivors."""
    parser = argparse.ArgumentParser(prog="nox -s mutants --", allow_abbrev=False)
    parser.add_argument("package", choices=sorted(TESTS))
    parser.add_argument(
        "modules", nargs="*", metavar="MODULE", help="only these, such as expand (default: all)"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="mutants that are tested at once")
    parser.add_argument("--show", action="store_true", help="show the last run's score and survivors only")
    arguments = parser.parse_args()
    folder = ROOT / "build" / "mutants" / arguments.package.replace("/", "-")
    if not arguments.show:
        copy_checkout(folder)
        configure(folder, arguments.package)
        run = ["run", "--max-children", str(arguments.jobs), *patterns(arguments.package, arguments.modules)]
        subprocess.run(mutmut(*run), cwd=folder, check=True)
    found = results(folder)
    print_score(found)
    for mutant in [name for name, status in found.items() if status == "survived"][:LISTED]:
        sys.stdout.write(output(folder, *mutmut("show", mutant)))
    return 0


def mutmut(*arguments: str) -> list[str]:
    """The command line of mutmut."""
    return [sys.executable, "-m", "mutmut", *arguments]


def output(folder: Path, *command: str) -> str:
    """What a command prints, run in a folder."""
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def copy_checkout(folder: Path) -> None:
    """Copy the files that git knows or would add; what earlier runs left beside them stays."""
    listed = output(ROOT, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    wanted = {name for name in listed.split("\0") if (ROOT / name).is_file()}
    for name in wanted:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    for path in (folder / PROGRAM).rglob("*.py"):
        if str(path.relative_to(folder)) not in wanted:
            path.unlink()


def configure(folder: Path, package: str) -> None:
    """Write mutmut's configuration: the package is mutated, and everything else is copied."""
    others = sorted(
        path.name for path in folder.iterdir() if path.name not in (PROGRAM, "mutants", "setup.cfg")
    )
    config = RawConfigParser()
    config["mutmut"] = {
        "source_paths": PROGRAM,
        "only_mutate": f"{PROGRAM}/{package}/*.py",
        "also_copy": lines(others),
        "pytest_add_cli_args": lines(OPTIONS),
        "pytest_add_cli_args_test_selection": lines(f"tests/unit/test_{name}.py" for name in TESTS[package]),
    }
    with (folder / "setup.cfg").open("w", encoding="utf-8") as stream:
        config.write(stream)


def lines(values: Iterable[str]) -> str:
    """A list as mutmut reads it: one value a line."""
    return "\n" + "\n".join(values)


def patterns(package: str, modules: list[str]) -> list[str]:
    """The names of a module's mutants, as mutmut takes them."""
    start = f"{PROGRAM}.{package.replace('/', '.')}"
    return [f"{start}.{module}.*" for module in modules]


def results(folder: Path) -> dict[str, str]:
    """The status of each mutant, as mutmut calls it, by its name."""
    listed = output(folder, *mutmut("results", "--all", "true"))
    pairs = (line.strip().rpartition(": ") for line in listed.splitlines())
    return {name: status for name, _, status in pairs if name}


def print_score(found: Mapping[str, str]) -> None:
    """One line for each module and one for all: how many mutants have which status."""
    modules: dict[str, Counter[str]] = {}
    for name, status in found.items():
        modules.setdefault(name.rpartition(".")[0], Counter())[status] += 1
    modules["all"] = sum(modules.values(), Counter())
    for module, counts in modules.items():
        states = ", ".join(f"{count:,} {status}" for status, count in counts.most_common())
        sys.stdout.write(f"{module}: {counts.total():,} mutants, {states}\n")


if __name__ == "__main__":
    sys.exit(main())
