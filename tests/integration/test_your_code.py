"""The README's three ways to one's own code, typed as it says them, with the wheel installed."""

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.model import CellResult
from tests.wheel import ROOT, build_sdist, build_wheel, environment, install

PROJECTS = ROOT / "tests" / "data" / "projects"
README = (ROOT / "README.md").read_text()


@dataclass(frozen=True, kw_only=True)
class Typed:
    """What a line of the README did in a user's folder."""

    folder: Path
    code: int
    said: str

    @property
    def run(self) -> Path:
        (plan,) = (self.folder / "reports").glob("*/plan.json")
        return plan.parent

    @property
    def results(self) -> dict[str, CellResult]:
        files = self.run.glob("cells/**/result.json")
        results = [CellResult.model_validate_json(path.read_text()) for path in files]
        return {result.cell.id: result for result in results}

    @property
    def rules(self) -> list[str]:
        """The rules that the run found."""
        found = json.loads((self.run / "explanations.json").read_text())
        return [item["sentence"] for item in found["explanations"]]


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a virtual environment in which pip installed the wheel and what it needs."""
    folder = tmp_path_factory.mktemp("installed")
    sdist, wheels = build_sdist(folder), folder / "wheels"
    wheels.mkdir()
    return install(build_wheel(sdist, wheels), folder / "venv", with_dependencies=True)


def line_of(flag: str, command: str = "init ") -> str:
    """The line of the README's code blocks that begins a project with this flag, as a shell takes it."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    (line,) = re.findall(rf"^crashmatrix {command}{flag} .*$", "\n".join(blocks), re.MULTILINE)
    return str(line)


def type_it(line: str, folder: Path, programs: Path) -> Typed:
    done = subprocess.run(
        ["/bin/bash", "-c", line],
        cwd=folder,
        env=environment(programs),
        capture_output=True,
        text=True,
        check=False,
    )
    return Typed(folder=folder, code=done.returncode, said=done.stdout + done.stderr)


def user(name: str, tmp_path: Path) -> Path:
    return shutil.copytree(PROJECTS / name, tmp_path / name)


def ends(typed: Typed) -> dict[str, str]:
    """How each cell ended: the signal, or the exit status."""
    outcomes = {name: result.trials[-1].outcome for name, result in typed.results.items()}
    return {name: outcome.signal or f"exit {outcome.status}" for name, outcome in outcomes.items()}


@pytest.fixture(scope="module")
def script(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Typed:
    return type_it(line_of("--script"), user("script", tmp_path_factory.mktemp("user")), programs)


@pytest.fixture(scope="module")
def application(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Typed:
    return type_it(line_of("--wsgi"), user("flask", tmp_path_factory.mktemp("user")), programs)


@pytest.fixture(scope="module")
def suite(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Typed:
    return type_it(line_of("--pytest"), user("extension", tmp_path_factory.mktemp("user")), programs)


def test_a_script_crashes_exactly_where_the_package_is_old(script: Typed) -> None:
    assert script.code == 1, script.said
    ended = ends(script)
    assert len(ended) >= 6
    for cell, how in ended.items():
        assert how == ("SIGSEGV" if cell.endswith("+orjson=3.9.14") else "exit 0"), cell
    assert script.rules[0].startswith('repro crashes with SIGSEGV exactly where orjson < "3.9.15": ')
    crashes = [trial.crash for result in script.results.values() for trial in result.trials if trial.crash]
    assert len(crashes) == sum(cell.endswith("3.9.14") for cell in ended)
    assert f'{len(crashes)} of {len(ended)} cells: orjson < "3.9.15"' in script.said
    assert all("orjson" in crash.signature for crash in crashes), [crash.signature for crash in crashes]


def test_a_python_without_a_wheel_is_left_out_with_what_there_is(script: Typed) -> None:
    plan = json.loads((script.run / "plan.json").read_text())
    reasons = {item["reason"] for item in plan["excluded"]}
    assert any("orjson" in reason and "3.13" in reason for reason in reasons), reasons


def test_an_application_crashes_exactly_where_uwsgi_ends_an_old_python(application: Typed) -> None:
    assert application.code == 1, application.said
    ended = ends(application)
    assert {name.partition("-x86_64-")[2] for name in ended} == {"uwsgi", "gunicorn"}
    for cell, how in ended.items():
        assert (how == "SIGSEGV") == ("/py3.9-" in cell and cell.endswith("-uwsgi")), cell


def test_a_suite_crashes_in_two_tests_exactly_where_python_is_3_9(suite: Typed) -> None:
    assert suite.code == 1, suite.said
    for cell, result in suite.results.items():
        assert (result.judgement.verdict == "fail") == ("/py3.9-" in cell), (cell, result.judgement)
    (failed,) = [result for cell, result in suite.results.items() if "/py3.9-" in cell]
    said = failed.model_dump_json()
    assert "test_find_a_large_value_twice" in said
    assert "test_find_what_is_missing_often" in said


def test_what_is_printed_to_repeat_a_cell_is_what_the_user_can_type(script: Typed, programs: Path) -> None:
    cell, result = next(iter(script.results.items()))
    assert result.repeat == f"crashmatrix run --cell {cell}"
    listed = type_it(f"{result.repeat} --list", script.folder, programs)
    assert (listed.code, listed.said.splitlines()[0].split()[0]) == (0, cell)


def test_nothing_of_the_users_was_changed(script: Typed, application: Typed, suite: Typed) -> None:
    for typed, name in ((script, "script"), (application, "flask"), (suite, "extension")):
        mine = {path.relative_to(PROJECTS / name) for path in (PROJECTS / name).rglob("*") if path.is_file()}
        now = {path.relative_to(typed.folder) for path in typed.folder.rglob("*") if path.is_file()}
        assert {path.parts[0] for path in now - mine} == {
            "matrix.yaml",
            "scenarios",
            ".crashmatrix",
            "reports",
        }
        assert all(
            (typed.folder / path).read_bytes() == (PROJECTS / name / path).read_bytes() for path in mine
        )


def test_a_package_is_checked_in_an_empty_folder_with_nothing_written_by_hand(
    programs: Path, tmp_path: Path
) -> None:
    line = line_of("orjson", command="check ").partition("#")[0].strip()
    # One of the default environments: the others ask the same of other Pythons.
    typed = type_it(f'{line} -k \'python == "3.11" and glibc == "2.36"\'', tmp_path, programs)
    assert typed.code == 0, typed.said
    assert [path.name for path in tmp_path.iterdir()] == ["reports"]
    assert "imports orjson; 1 native module" in typed.said
    found = json.loads((typed.run / "check.json").read_text())
    (package,) = found["packages"]
    assert {cell["result"] for cell in package["cells"]} <= {"safe", "refused"}
    hazards = {cell["hazard"] for cell in package["cells"]}
    assert len(hazards) == len(package["cells"]) >= 27
    assert all(name in typed.said for name in hazards)
