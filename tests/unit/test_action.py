"""The steps of action.yml as a runner runs them, in a checkout that a hostile pull request wrote."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
import yaml

ROOT: Final = Path(__file__).resolve().parents[2]
STEPS: Final = {
    step["name"]: step for step in yaml.safe_load((ROOT / "action.yml").read_text())["runs"]["steps"]
}
TAKEN: Final = ("orchestrator/__init__.py", "orchestrator/__main__.py", "venv.py", "pip/__init__.py",
                "pip/__main__.py", "yaml.py", "shlex.py", "sitecustomize.py", "usercustomize.py")  # fmt: skip
"""Modules that Python would take from the folder in which it starts."""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A project with modules of the program's own names, each of which leaves a file `taken`."""
    folder = tmp_path / "checkout"
    for name in TAKEN:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"open({str(tmp_path / 'taken')!r}, 'a').write({name!r} + '\\n')\n")
    (folder / "matrix.yaml").write_text("schema: 1\naxes: {python: ['3.11'], glibc: ['2.36']}\n")
    (folder / "scenarios").mkdir()
    (folder / "scenarios/mine.yaml").write_text("schema: 1\nscript: mine.py\n")
    (folder / "mine.py").write_text("")
    (folder / "reports/forged").mkdir(parents=True)
    (folder / "reports/forged/summary.md").symlink_to("/etc/hostname")
    return folder


def step(name: str, checkout: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a step's script, with its variables in place of GitHub's expressions."""
    known = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    assert variables.keys() == STEPS[name]["env"].keys()
    command = ["/usr/bin/env", "bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", STEPS[name]["run"]]
    env = {**known, **variables, "GITHUB_STEP_SUMMARY": str(checkout.parent / "step-summary")}
    return subprocess.run(command, cwd=checkout, env=env, capture_output=True, text=True, check=False)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The environment that the first step makes: here the one of these tests."""
    place = tmp_path / "place"
    (place / "bin").mkdir(parents=True)
    (place / "bin/python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (place / "bin/python").chmod(0o755)
    return place


def test_the_environment_is_made_without_modules_of_the_checkout(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements/runtime.txt").write_text("")
    done = step("Install", checkout, ACTION=str(tmp_path), PLACE=str(tmp_path / "made"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "made/bin/python").exists()
    assert not (tmp_path / "taken").exists(), (tmp_path / "taken").read_text()


def test_the_program_that_runs_is_not_the_checkout_s(checkout: Path, place: Path, tmp_path: Path) -> None:
    done = step(
        "Run", checkout, ARGUMENTS="--list -k 'glibc == \"2.36\"'; touch taken $(touch taken)", PROJECT=".",
        PYTHONPATH=str(ROOT), PLACE=str(place), REPORTS=str(tmp_path / "reports"),
    )  # fmt: skip
    assert "unrecognized arguments" in done.stderr
    done = step(
        "Run", checkout, ARGUMENTS="--list -k 'glibc == \"2.36\" and launcher == \"plain\"'", PROJECT=".",
        PYTHONPATH=str(ROOT), PLACE=str(place), REPORTS=str(tmp_path / "reports"),
    )  # fmt: skip
    assert (done.returncode, "mine/py3.11-glibc2.36-x86_64-plain" in done.stdout) == (0, True), done.stderr
    assert not (tmp_path / "taken").exists(), (tmp_path / "taken").read_text()
    assert not (checkout / "taken").exists()


def test_the_step_summary_is_of_the_job_s_own_run(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "reports/run").mkdir(parents=True)
    (tmp_path / "reports/run/summary.md").write_text("## crashmatrix: mine\n")
    done = step("Summary", checkout, REPORTS=str(tmp_path / "reports"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "step-summary").read_text() == "## crashmatrix: mine\n"
