"""The sdist and the wheel: built, installed where there is no checkout, and used from an empty folder."""

import shutil
import subprocess
import zipfile
from collections.abc import Sequence
from email import message_from_bytes
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.wheel import ROOT, build_sdist, build_wheel, environment, install


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sdist = build_sdist(tmp_path_factory.mktemp("sdist"))
    return build_wheel(sdist, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def program(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(wheel, tmp_path_factory.mktemp("venv"), with_dependencies=False) / "crashmatrix"


def use(program: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Use the installed program, as a user without a checkout does."""
    return subprocess.run(
        [program, *arguments],
        cwd=folder,
        env=environment(program.parent),
        capture_output=True,
        text=True,
        check=False,
    )


def files(folder: str, without: Sequence[str] = ("__pycache__",)) -> set[str]:
    found = (path for path in (ROOT / folder).rglob("*") if path.is_file())
    return {str(path.relative_to(ROOT / folder)) for path in found if not set(path.parts) & {*without}}


def test_the_wheel_has_every_file_of_the_program_and_of_images(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    wanted = {f"orchestrator/{name}" for name in files("orchestrator")}
    wanted |= {f"orchestrator/images/data/{name}" for name in files("images")}
    assert wanted == {name for name in names if not name.startswith("crashmatrix-")}


def test_the_wheel_needs_what_the_program_imports_or_starts(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    lines = (ROOT / "requirements" / "runtime.in").read_text().splitlines()
    wanted = {str(Requirement(line.partition("#")[0])) for line in lines if line.partition("#")[0].strip()}
    metadata = message_from_bytes(archive.read(name))
    assert {str(Requirement(text)) for text in metadata.get_all("Requires-Dist", [])} == {
        *wanted,
        'distributed; extra == "fleet"',
    }
    assert metadata["Requires-Python"] == ">=3.11"


def test_the_installed_program_needs_no_project_to_explain_itself(program: Path, tmp_path: Path) -> None:
    assert "usage: crashmatrix" in use(program, tmp_path, "--help").stdout
    assert '"title": "ScenarioFile"' in use(program, tmp_path, "schema", "scenario").stdout
    ended = use(program, tmp_path, "plan")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "crashmatrix init" in ended.stderr


def test_the_installed_program_plans_and_renders_a_project(program: Path, tmp_path: Path) -> None:
    shutil.copy(ROOT / "matrix.yaml", tmp_path)
    shutil.copytree(ROOT / "scenarios", tmp_path / "scenarios")
    inside = tmp_path / "scenarios"
    listed = use(program, inside, "plan", "--list", "--offline")
    assert listed.returncode == 0, listed.stderr
    assert "tls-atexit/py3.11-glibc2.36-x86_64-plain-cpp" in listed.stdout
    rendered = use(program, tmp_path, "render", "--offline", "--out", str(tmp_path / "out"))
    assert rendered.returncode == 0, rendered.stderr
    assert len(list((tmp_path / "out").glob("*/Dockerfile"))) >= 3
    assert "nox" not in use(program, tmp_path, "plan", "--cell", "none").stderr
