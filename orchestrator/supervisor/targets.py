"""Targets: what a launcher starts. One entry a kind; a scenario's probe decides which kind a cell has."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

DRIVER = "driver"
"""A Python file: `python3` runs it, a server loads it as its WSGI file."""
PROGRAM = "program"
"""An executable file that is started by itself."""


class Target(NamedTuple):
    """A file in the scenario's folder, and the kind of target that it is."""

    kind: str
    file: str


COMMANDS: dict[str, Callable[[str, list[str]], list[str]]] = {
    DRIVER: lambda path, options: ["python3", *options, path],
    PROGRAM: lambda path, options: [path, *options],
}
"""The command that starts a target without a server, from its absolute path and the scenario's options."""
