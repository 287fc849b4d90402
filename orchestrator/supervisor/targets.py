"""Targets: what a launcher starts. A scenario and its probe decide which kind a cell has."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

DRIVER = "driver"
"""A Python file: `python3` runs it, a server loads it as its WSGI file."""
PROGRAM = "program"
"""An executable file that is started by itself."""
SCRIPT = "script"
"""A Python file of the user's project: `python3` runs it in a copy of the project's folder."""
COMMAND = "command"
"""A program that is found by PATH, with its arguments, in a copy of the project's folder."""
PYTEST = "pytest"
"""The user's tests: pytest with its arguments, in a copy of the project's folder. There is no file."""
WSGI = "wsgi"
"""An application `module:object` of the user's project, which a server imports."""


class Target(NamedTuple):
    """A target with its kind.

    `file` lies in the scenario's folder; of a command it is the program's name, of an application it is
    `module:object`.
    """

    kind: str
    file: str
    arguments: tuple[str, ...] = ()


PYTEST_START = os.path.join(os.path.dirname(os.path.abspath(__file__)), "plugin", "crashmatrix_start.py")
"""The program that starts pytest with a plugin."""

COMMANDS: dict[str, Callable[[Target, str, list[str]], list[str]]] = {
    DRIVER: lambda _target, path, options: ["python3", *options, path],
    PROGRAM: lambda _target, path, options: [path, *options],
    SCRIPT: lambda target, _path, options: ["python3", *options, target.file, *target.arguments],
    COMMAND: lambda target, _path, options: [target.file, *target.arguments, *options],
    PYTEST: lambda target, _path, options: ["python3", *options, PYTEST_START, *target.arguments],
}
"""The command that starts a target without a server, from the target, the absolute path of its file, and the
scenario's options."""
CODE = frozenset({SCRIPT, COMMAND, PYTEST, WSGI})
"""Targets that start in a copy of the user's files, as they would in the project's own folder."""
