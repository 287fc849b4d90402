"""The lifecycle battery in containers: each hazard catches the defect that it asks about, not its twin."""

import base64
import hashlib
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator import check as checks
from orchestrator.check import Hit
from orchestrator.model import CaseOutcome, CellResult, HazardResult
from orchestrator.pipeline import check
from tests.integration.runs import ROOT

DEFECTS = ROOT / "tests" / "data" / "defects" / "defect.py"
OLD = 'python == "3.11" and glibc == "2.36"'
"""glibc before 2.41, whose getenv can meet a freed environment."""
OWN_GIL = 'python == "3.13" and glibc == "2.41" and hazard == "own-gil"'
SERVED = {"stop": "uwsgi", "stop-lazy": "gunicorn", "reload": "uwsgi", "reload-lazy": "gunicorn"}
IN_SUBMODULE = "import defect\n\nif defect.HAZARD == 'submodules':\n    defect.crash()\n"


class Quiet:
    """A progress that prints nothing."""

    def begin(self, images: int, cells: int) -> None: ...

    def cell_started(self, cell: str) -> None: ...

    def cell_ended(self, result: CellResult) -> None: ...

    def image_started(self, role: str) -> None: ...

    def image_ended(self, role: str, seconds: float, error: str | None) -> None: ...

    def say(self, text: str) -> None: ...


def wheel(folder: Path, name: str, files: dict[str, str]) -> Path:
    """A wheel of pure Python with these files."""
    info = f"{name}-1.0.dist-info"
    files = files | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = []
    for file, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        rows.append(f"{file},sha256={digest},{len(text.encode())}\n")
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            archive.writestr(file, text)
        archive.writestr(f"{info}/RECORD", "".join([*rows, f"{info}/RECORD,,\n"]))
    return path


def defective(folder: Path, name: str, *, repaired: bool) -> Path:
    text = DEFECTS.read_text().replace("REPAIRED = False", f"REPAIRED = {repaired}")
    return wheel(folder, name, {"defect/__init__.py": text, "defect/sub.py": IN_SUBMODULE})


def checked(
    folder: Path,
    *packages: str | Path,
    where: str,
    again: int = 0,
    reduce: int = 0,
    valgrind: bool = False,
    tests: bool = False,
    source: Path | None = None,
) -> check.FinishedCheck:
    options = options_for(folder, *packages, where=where, again=again, reduce=reduce)
    return whole(replace(options, valgrind=valgrind, tests=tests, source=source))


def whole(options: check.CheckOptions) -> check.FinishedCheck:
    shown: list[Hit] = []
    finished = check.confirmed(check.run_battery(options, Quiet()), Quiet(), shown.append)
    assert finished.hits == tuple(shown)
    return finished


def options_for(
    folder: Path, *packages: str | Path, where: str, again: int = 0, reduce: int = 0
) -> check.CheckOptions:
    return check.CheckOptions(
        packages=tuple(map(str, packages)), everywhere=False, expression=where, reports=folder / "reports",
        jobs=2, again=again, reduce=reduce,
    )  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> check.FinishedCheck:
    """All hazards, tested with the package with the defects and its twin: in one environment, but for one."""
    folder = tmp_path_factory.mktemp("made")
    broken = defective(folder, "broken", repaired=False)
    twin = defective(folder, "twin", repaired=True)
    served = " or ".join(
        f'(hazard == "{name}" and launcher == "{server}")' for name, server in SERVED.items()
    )
    plain = 'launcher == "plain" and hazard != "own-gil"'
    where = f'({OLD} and (({plain}) or {served})) or ({OWN_GIL} and launcher == "plain")'
    return checked(folder, broken, twin, where=where)


@pytest.mark.parametrize("hazard", [item.name for item in checks.hazards()])
def test_each_hazard_catches_its_defect_and_lets_the_repaired_twin_pass(
    made: check.FinishedCheck, hazard: str
) -> None:
    shown = {
        package.name: [(cell.result, cell.reason) for cell in package.cells if cell.hazard == hazard]
        for package in made.checked.packages
    }
    ((broken, said),), ((twin, why),) = shown["broken"], shown["twin"]
    assert broken in (HazardResult.CRASHES, HazardResult.HANGS), said
    assert twin is HazardResult.SAFE, why


@pytest.mark.slow
def test_valgrind_finds_an_invalid_read_at_exit_that_ends_cleanly(tmp_path: Path) -> None:
    """Where the user wants valgrind; the repaired twin passes."""
    both = [defective(tmp_path, "broken", repaired=False), defective(tmp_path, "twin", repaired=True)]
    where = f'{OLD} and launcher == "plain" and hazard in ("exit", "valgrind") and scenario != "broken"'
    finished = checked(tmp_path, *both, where=where, valgrind=True)
    broken, twin = finished.checked.packages
    (cell,) = broken.cells
    assert cell.result is HazardResult.INVALID, cell.reason
    assert cell.reason.startswith("InvalidRead in a freed block in "), cell.reason
    assert cell.signature
    assert {cell.hazard: cell.result for cell in twin.cells} == dict.fromkeys(
        ("exit", "valgrind"), HazardResult.SAFE
    )
    assert finished.exit_code == 1


SUITE = """\
import ctypes
import pathlib

import tested


def test_the_installed_package_is_tested():
    assert "site-packages" in tested.__file__
    assert pathlib.Path("tests/data.txt").read_text() == "data"


def test_that_crashes():
    ctypes.string_at(0)


def test_after_it():
    assert tested.__name__ == "tested"
"""


def test_the_packages_own_tests_run_against_the_installed_wheel_and_a_crash_names_its_test(
    tmp_path: Path,
) -> None:
    made = wheel(tmp_path, "tested", {"tested/__init__.py": ""})
    tree = tmp_path / "tree"
    (tree / "tests").mkdir(parents=True)
    (tree / "tested").mkdir()
    (tree / "tested" / "__init__.py").write_text("raise ImportError('this is the source')\n")
    (tree / "tests" / "test_it.py").write_text(SUITE)
    (tree / "tests" / "data.txt").write_text("data")
    (tree / "pyproject.toml").write_text('[tool.pytest.ini_options]\naddopts = "--no-such-option"\n')
    where = f'{OLD} and launcher == "plain" and hazard in ("exit", "tests")'
    finished = checked(tmp_path, made, where=where, source=tree)
    (package,) = finished.checked.packages
    cells = {cell.hazard: cell for cell in package.cells}
    assert cells["exit"].result is HazardResult.SAFE
    own = cells["tests"]
    assert own.result is HazardResult.CRASHES, own.reason
    assert "tests/test_it.py::test_that_crashes" in own.reason
    assert own.tests == {"passed": 2, "crashed": 1}


@pytest.mark.slow
def test_the_tests_of_a_package_of_the_index_run_in_an_environment(tmp_path: Path) -> None:
    where = f'{OLD} and launcher == "plain" and hazard in ("exit", "tests")'
    finished = checked(tmp_path, "msgpack==1.1.0", where=where, tests=True)
    (package,) = finished.checked.packages
    cells = {cell.hazard: cell for cell in package.cells}
    assert cells["tests"].result is HazardResult.SAFE, cells["tests"].reason
    assert cells["tests"].tests[CaseOutcome.PASSED] > 50


def test_what_a_check_finds_is_told_with_the_signature_and_ends_with_1(made: check.FinishedCheck) -> None:
    assert made.exit_code == 1
    broken, twin = made.checked.packages
    assert broken.names == ("defect",)
    assert not broken.extensions
    assert all(cell.signature for cell in broken.hits)
    assert not twin.hits
    assert {hit.package for hit in made.hits} == {"broken"}


def test_a_hit_is_repeated_reduced_to_the_smallest_script_and_told_as_a_bug_report(tmp_path: Path) -> None:
    where = f'{OLD} and launcher == "plain" and hazard == "use-exit"'
    package = defective(tmp_path, "broken", repaired=False)
    answer = check.run_battery(options_for(tmp_path, package, where=where, again=2, reduce=1), Quiet())
    assert (answer.run.folder / "check.json").is_file()
    (found,) = answer.hits
    assert (found.trials, found.script) == (0, "")
    shown: list[Hit] = []
    finished = check.confirmed(answer, Quiet(), shown.append)
    (hit,) = finished.hits
    assert shown == [hit]
    assert (hit.trials, hit.again) == (2, 2)
    before, after = hit.statements
    assert after < before
    assert "import defect" in hit.script
    report = (finished.run.folder / "bugs" / hit.file).read_text()
    assert hit.script in report
    assert "string_at" in report
    assert "2 of 2 further trials" in report
    assert "broken 1.0" in report
    # The script is whole: it does the same by itself.
    compile(hit.script, "script.py", "exec")


def test_where_the_import_fails_its_own_error_is_shown_and_nothing_else_is_tested(
    tmp_path: Path,
) -> None:
    lacking = wheel(tmp_path, "lacking", {"lacking.py": "raise ImportError('libGL.so.1: no such file')\n"})
    nameless = wheel(tmp_path, "nameless", {"table.csv": "1,2\n"})
    where = f'{OLD} and launcher == "plain" and (hazard == "exit" or hazard == "fork")'
    finished = checked(tmp_path, lacking, nameless, where=where)
    one, other = finished.checked.packages
    assert {cell.result for cell in one.cells} == {HazardResult.NO_IMPORT}
    assert all("libGL.so.1: no such file" in cell.reason for cell in one.cells)
    assert {(cell.result, cell.reason) for cell in other.cells} == {
        (HazardResult.REFUSED, "the distribution has no import names")
    }
    assert finished.exit_code == 3


def test_a_hit_of_the_baseline_is_not_new(tmp_path: Path) -> None:
    where = f'{OLD} and launcher == "plain" and hazard == "exit"'
    package = defective(tmp_path, "broken", repaired=False)
    first = checked(tmp_path, package, where=where)
    assert len(first.new) == 1
    options = options_for(tmp_path, package, where=where)
    second = whole(replace(options, baseline=first.run.folder))
    assert (second.new, second.exit_code) == ((), 0)
    assert json.loads(second.checked.model_dump_json())["packages"][0]["cells"][0]["result"] == "crashes"
