"""Launchers: programs that start the process under test; one folder a launcher.

A folder holds everything about its launcher. `__init__.py` is the host half: `LAUNCHER`, a value with the
image's recipe, option refusals and clean exit status. `container.py` is the container half, which is copied
into images: command line, requests, and the process whose exit is judged. Every folder here is found.
"""

from importlib import import_module
from pkgutil import iter_modules
from typing import Final

from orchestrator.launchers.launcher import Launcher, Parent, ServerRecipe

__all__ = ["LAUNCHERS", "Launcher", "Parent", "ServerRecipe"]


def _found() -> dict[str, Launcher]:
    names = (item.name for item in iter_modules(__path__) if item.ispkg)
    return {name: import_module(f"{__name__}.{name}").LAUNCHER for name in names}


LAUNCHERS: Final[dict[str, Launcher]] = _found()
"""By the value of the axis `launcher`, which is the folder's name."""
