"""Where the program was called: the project's folder, and the words by which its user calls it again."""

import os
import shlex
from pathlib import Path
from typing import Final

MATRIX: Final = "matrix.yaml"
"""The file that makes a folder a project."""
REPORTS: Final = "reports"
"""The folder of a project's runs."""
_CHECKOUT: Final = ("nox", "noxfile.py", f"orchestrator/{Path(__file__).name}")
"""Files that only a checkout of crashmatrix has together."""
_SESSIONS: Final = {"doctor": "doctor", "merge": "merge", "plan": "matrix", "run": "matrix", "setup": "setup"}
"""The nox session of each command that has one; `plan --list` is `run --list` there."""


def nearest_project(start: Path) -> Path | None:
    """The nearest folder from `start` upwards with a matrix.yaml; `start` as it is where that is it."""
    place = start.absolute()
    found = next((folder for folder in (place, *place.parents) if os.path.lexists(folder / MATRIX)), None)
    return start if found == place else found


def command(name: str, *arguments: str, project: Path | None = None) -> str:
    """The shell command that runs `crashmatrix NAME ARGUMENTS` from the current folder, for this user.

    In a checkout of crashmatrix that is ./nox, which makes the environment that it needs. With a `project`,
    the command names its folder where the current folder does not.
    """
    here = Path.cwd()
    elsewhere = project is not None and _resolved(project) != _resolved(nearest_project(here))
    if name in _SESSIONS and not elsewhere and all((here / file).is_file() for file in _CHECKOUT):
        session = ["./nox", "-s", _SESSIONS[name]]
        return shlex.join([*session, "--", *arguments] if arguments else session)
    folder = ["--project", str(project)] if elsewhere else []
    return shlex.join(["crashmatrix", *folder, name, *arguments])


def _resolved(folder: Path | None) -> Path | None:
    return folder.resolve() if folder else None
