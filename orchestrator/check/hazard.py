"""The hazards of the battery, as hazards.yaml and battery/ have them."""

from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field

from orchestrator.adapters import yamlfile
from orchestrator.model import Value

HAZARD: Final = "hazard"
"""The axis of a package's scenarios that names the hazard."""
FILE: Final = Path(__file__).with_name("hazards.yaml")
BATTERY: Final = Path(__file__).with_name("battery")


class Group(StrEnum):
    """How a hazard's script is started and ended."""

    PLAIN = "plain"
    """By python3, to its end."""
    SERVED = "served"
    """By a server that is stopped."""
    RELOADED = "reloaded"
    """By a server that is reloaded, then stopped."""
    WATCHED = "valgrind"
    """By python3 under valgrind."""
    TESTS = "tests"
    """By pytest: the package's own tests."""


class Hazard(Value):
    """A known kind of crash: its question in one sentence, and its source."""

    name: str
    title: str
    question: str
    source: str
    """An address."""
    group: Group = Group.PLAIN
    lazy: bool = False
    """Whether each worker of the server loads the application by itself."""
    script: str = ""
    """The file in battery/, without .py; empty: the hazard's name."""
    env: dict[str, str] = {}
    options: tuple[str, ...] = ()
    """Options of python3."""
    python: Annotated[str, Field(pattern=r"^(3\.\d+)?$")] = ""
    """The first series of CPython with the tested feature; empty if all have it."""

    @property
    def file(self) -> str:
        """The script's name without .py."""
        served = self.group in (Group.SERVED, Group.RELOADED)
        return self.script or ("served" if served else self.name)


class HazardsFile(Value):
    """hazards.yaml."""

    hazards: tuple[Hazard, ...]
    on_request: tuple[Hazard, ...]
    """What is tested beside the battery where the user wants it."""


@cache
def hazards() -> tuple[Hazard, ...]:
    """All hazards of the battery, in the order in which they are tested and shown."""
    return yamlfile.load(FILE, HazardsFile).hazards


@cache
def rows() -> tuple[Hazard, ...]:
    """The hazards, and what is tested on request: the rows of a check."""
    return (*hazards(), *yamlfile.load(FILE, HazardsFile).on_request)
