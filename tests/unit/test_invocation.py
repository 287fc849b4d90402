"""The commands that the program prints are ones that its user has."""

import shutil
from pathlib import Path

import pytest

from orchestrator.invocation import command, nearest_project

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    (folder / "orchestrator").mkdir(parents=True)
    for name in ("nox", "noxfile.py", "matrix.yaml", "orchestrator/invocation.py"):
        shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "my project"
    (folder / "src").mkdir(parents=True)
    (folder / "matrix.yaml").touch()
    return folder


def test_in_a_checkout_it_is_nox(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(checkout)
    assert command("setup") == "./nox -s setup"
    assert command("setup", "--undo") == "./nox -s setup -- --undo"
    assert command("plan", "--list") == "./nox -s matrix -- --list"
    assert command("run", "--cell", "a/b+c=d e", project=Path()) == "./nox -s matrix -- --cell 'a/b+c=d e'"
    assert command("init", "--script", "FILE") == "crashmatrix init --script FILE"


@pytest.mark.parametrize("missing", ["nox", "noxfile.py", "orchestrator/invocation.py"])
def test_another_project_with_nox_is_no_checkout(
    checkout: Path, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (checkout / missing).unlink()
    monkeypatch.chdir(checkout)
    assert command("run", project=checkout) == "crashmatrix run"


def test_in_a_users_project_it_is_the_installed_program(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in (project, project / "src"):
        monkeypatch.chdir(place)
        assert command("run", "--cell", "x", project=project) == "crashmatrix run --cell x"


def test_from_elsewhere_the_command_names_the_project(
    checkout: Path, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in (tmp_path, checkout):
        monkeypatch.chdir(place)
        assert command("run", project=project) == f"crashmatrix --project '{project}' run"


def test_the_nearest_project_is_upwards(project: Path, tmp_path: Path) -> None:
    assert nearest_project(project / "src") == project
    assert nearest_project(project) == project
    assert nearest_project(tmp_path) is None


def test_no_other_place_of_the_program_names_nox() -> None:
    allowed = {ROOT / "orchestrator" / "invocation.py"}
    naming = {path for path in (ROOT / "orchestrator").rglob("*.py") if "nox -s" in path.read_text()}
    assert naming <= allowed
