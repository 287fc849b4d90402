"""The interface of a launcher's host half: one value for each launcher."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Final

from orchestrator.model import CellEnvironment, Serving
from orchestrator.supervisor.paths import PROGRAM

CONTAINER: Final = "container.py"
"""The container half: a module in the launcher's folder with a class `Launch`, a subclass of the
supervisor's own (orchestrator.supervisor.launch)."""
_SUPERVISOR: Final = Path(__file__).parents[1] / "supervisor"
_PLUGIN: Final = _SUPERVISOR / "plugin"


class Parent(StrEnum):
    """An image that a server's image is built from, as its Dockerfile asks for it."""

    BASE = "the environment's base"
    HOST_BASE = "the same base for the host's architecture"
    COMPILERS = "the base that compilers run on, for the environment's architecture"
    INTERPRETER = "the interpreter that is copied into bases"
    TOOLCHAIN = "the compiler of everything that runs on every glibc"


@dataclass(frozen=True, kw_only=True)
class ServerRecipe:
    """How the image of a launcher's program is made, whose /opt/crashmatrix is copied into cells.

    The Dockerfile `template` lies in the launcher's folder; it sees the tag of each of `parents` and the file
    name of each of `downloads` under their keys, `values`, and the lowest glibc as `glibc`.
    """

    template: str
    parents: Mapping[str, Parent | None]
    downloads: Mapping[str, str] = field(default_factory=dict)
    """Names of downloads of images/catalogue.yaml."""
    files: tuple[str, ...] = ()
    """Files of the launcher's folder that the Dockerfile copies."""
    values: Mapping[str, str | None] = field(default_factory=dict)
    every_base: bool = False
    """Whether the program is made once for each interpreter and runs on every base."""


@dataclass(frozen=True, kw_only=True)
class Launcher:
    """A program that starts the process under test."""

    name: str
    """Its value of the axis `launcher`."""
    folder: Path
    """The folder of both halves and of the Dockerfiles."""
    clean_status: int
    """The exit status of a clean end."""
    starts: frozenset[str]
    """The kinds of target that it can start (orchestrator.supervisor.targets)."""
    refuse: Callable[[str, str], str | None] = lambda _option, _kind: None
    """Why a scenario may not give this option to the program for a target of this kind; None if it may."""
    serve: Callable[[Serving], tuple[str, ...]] = lambda _serving: ()
    """The options that run an application as a scenario's `server` says; options of the scenario follow."""
    requires: Callable[[tuple[str, ...]], tuple[str, ...]] = lambda _options: ()
    """The packages, as requirements, that the launcher needs in a cell with these options."""
    lacks: Callable[[CellEnvironment], str | None] = lambda _environment: None
    """Why the program cannot be made for an environment; None if it can."""
    recipe: Callable[[CellEnvironment], ServerRecipe] | None = None
    """How the program's image is made; None: there is no program but the interpreter, or a package."""
    beside: tuple[str, ...] = ()
    """Files of the launcher's folder that lie beside its container half in images."""

    def container_files(self) -> dict[str, Path]:
        """The supervisor with this launcher's container half: files by their path in paths.HOME.

        The packages have the supervisor's own `__init__.py`: the host half is not in an image.
        """
        root = f"{PROGRAM}/orchestrator"
        init = _SUPERVISOR / "__init__.py"
        packages = (root, f"{root}/launchers", f"{root}/launchers/{self.name}")
        return {
            f"{PROGRAM}/__main__.py": _SUPERVISOR / "__main__.py",
            **{f"{package}/__init__.py": init for package in packages},
            **{
                f"{root}/supervisor/{path.relative_to(_SUPERVISOR).as_posix()}": path
                for path in _supervisor_files()
            },
            **{
                f"{root}/launchers/{self.name}/{name}": self.folder / name
                for name in (CONTAINER, *self.beside)
            },
        }


@cache
def _supervisor_files() -> tuple[Path, ...]:
    """Of the pytest plugin its modules alone: they are no package in an image."""
    return tuple(sorted([*_SUPERVISOR.glob("*.py"), *_PLUGIN.glob("crashmatrix_*.py")]))
