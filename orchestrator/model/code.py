"""The user's code in a scenario: its target, and what the target needs."""

from collections.abc import Mapping
from typing import Final

from orchestrator.errors import Location
from orchestrator.model.base import Value
from orchestrator.supervisor.targets import CODE, Target

COMMIT: Final = "commit"
"""The axis of a bisection along the commits of a package's repository."""


class PackageAxis(Value):
    """A package whose versions are an axis: `axis` is the distribution's normalized name with _ for -."""

    axis: str
    distribution: str
    """The normalized name (PEP 503)."""
    versions: tuple[str, ...]
    """In ascending order (PEP 440); `latest` until it is resolved."""
    places: tuple[Location, ...] = ()
    """Where each version is written; empty if they are in no file."""


class CodeFile(Value):
    """A file of the user's: `path` on the host, `name` inside the scenario's folder of the image."""

    path: str
    name: str


class UserCode(Value):
    """The user's code that a scenario runs, and its needs; a driver with requirements counts too."""

    kind: str
    """The kind of target (orchestrator.supervisor.targets)."""
    file: str = ""
    """The script's path in the scenario's folder, the command's program, or `module:object`."""
    arguments: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    """Requirements as PEP 508 writes them, without those of the package axes."""
    places: dict[str, Location] = {}
    """Where each requirement is written; those of this program have no place."""
    packages: tuple[PackageAxis, ...] = ()
    source: str | None = None
    """The folder of a package on the host, which is built to a wheel in each cell's base."""
    revisions: dict[str, str] = {}
    """Folders of other states of that package, by the values of the axis `commit`, which only then exists."""
    files: tuple[CodeFile, ...] = ()
    env: dict[str, str] = {}
    """Environment variables of the process."""
    network: bool = False
    """Whether the container has a network; without, it has a loopback alone."""

    @property
    def target(self) -> Target:
        """The target of a launcher."""
        return Target(self.kind, self.file, self.arguments)

    def source_in(self, axes: Mapping[str, str]) -> str | None:
        """The folder of the package that a cell of these axis values builds."""
        return self.revisions.get(axes.get(COMMIT, ""), self.source)

    @property
    def is_copied(self) -> bool:
        """Whether the process starts in a copy of the files, as it would in the project's own folder."""
        return self.kind in CODE
