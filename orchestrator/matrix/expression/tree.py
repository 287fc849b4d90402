"""Parsed expressions: frozen values that name their axes and are evaluated for a cell."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from packaging.version import Version

from orchestrator.errors import InputError, Location
from orchestrator.matrix.expression.versions import truncated
from orchestrator.model import ABSENT, VERSION_AXES, Arch, version_depth, version_key

ARCH: Final = "arch"


@dataclass(frozen=True, kw_only=True, slots=True)
class CellContext:
    """The context of an evaluation: a cell's axis values, and facts beside them."""

    axes: Mapping[str, str]
    host: Arch
    """The architecture of the host that plans."""
    releases: Mapping[str, str] = field(default_factory=dict)
    """Exact versions by axis, where the value names a series: {"python": "3.13.5"} of the value "3.13"."""
    is_ready: Callable[[Mapping[str, str]], bool] = lambda _axes: False
    """Whether no CPython has to be compiled for a cell of these axis values."""


class Expression(Protocol):
    """A parsed expression."""

    @property
    def names(self) -> frozenset[str]:
        """The axes that it names; a cell's other values do not matter to it."""

    def matches(self, cell: CellContext) -> bool:
        """Whether it is true for a cell."""


@dataclass(frozen=True)
class Constant:
    """`true` or `false`."""

    value: bool

    @property
    def names(self) -> frozenset[str]:
        """No axes."""
        return frozenset()

    def matches(self, cell: CellContext) -> bool:  # noqa: ARG002 - the protocol's
        """The value, whatever the cell."""
        return self.value


@dataclass(frozen=True)
class Emulated:
    """`emulated`: the cell's architecture is another than the host's, so it runs under qemu-user."""

    @property
    def names(self) -> frozenset[str]:
        """The axis that decides it."""
        return frozenset({ARCH})

    def matches(self, cell: CellContext) -> bool:
        """Whether the host is of another architecture."""
        return cell.axes[ARCH] != cell.host


@dataclass(frozen=True)
class Ready:
    """`ready`: the cell's CPython is its base's own, or unpacked into the newest base that it runs on."""

    @property
    def names(self) -> frozenset[str]:
        """The axes that decide it."""
        return frozenset({"python", "glibc", ARCH, "launcher"})

    def matches(self, cell: CellContext) -> bool:
        """Whether the cell needs no compiled CPython, and no server compiled for an unpacked one."""
        return cell.is_ready(cell.axes)


@dataclass(frozen=True)
class OneOf:
    """The axis has one of some values: `==` and `in`."""

    axis: str
    values: frozenset[str]

    @property
    def names(self) -> frozenset[str]:
        """The one axis."""
        return frozenset({self.axis})

    def matches(self, cell: CellContext) -> bool:
        """Whether the cell's value is one of them."""
        return cell.axes.get(self.axis, ABSENT) in self.values


@dataclass(frozen=True)
class Ordered:
    """The axis, as a version, compares with a version: `<`, `<=`, `>` and `>=`.

    Of python and glibc a comparison is as exact as its bound is written: 3.13.5 is not beyond "3.13", nor is
    3.13t, the free-threaded build, which is beyond "3.13.5" (`version_key`). Where the axis names a series,
    its exact release counts if the catalogue knows it (`CellContext.releases`). Packages and a user's own
    axes compare as PEP 440 orders versions: 1.70.2 is beyond "1.70".
    """

    axis: str
    compare: Callable[[Version, Version], bool]
    bound: Version
    """The `version_key` of the text."""
    text: str
    where: Location

    @property
    def names(self) -> frozenset[str]:
        """The one axis."""
        return frozenset({self.axis})

    def matches(self, cell: CellContext) -> bool:
        """Whether the cell's version satisfies it; raises InputError where that takes an unknown release."""
        value = cell.axes.get(self.axis, ABSENT)
        if value == ABSENT:
            return False
        if self.axis not in VERSION_AXES:
            return self.compare(Version(value), self.bound)
        exact = cell.releases.get(self.axis, value)
        version = version_key(self.axis, exact)
        depth, known = version_depth(self.text), len(version.release)
        if self.axis in cell.releases and known < depth and version == truncated(self.bound, known):
            raise InputError(
                f"cannot compare {self.axis} {exact} with {self.text}: its exact release is unknown",
                where=self.where,
                hint="give its `release` in images/catalogue.yaml, or compare with a series",
            )
        return self.compare(truncated(version, depth), truncated(self.bound, depth))


@dataclass(frozen=True)
class Not:
    """The negation of a part."""

    part: Expression

    @property
    def names(self) -> frozenset[str]:
        """The axes of the part."""
        return self.part.names

    def matches(self, cell: CellContext) -> bool:
        """Whether the part is false for the cell."""
        return not self.part.matches(cell)


@dataclass(frozen=True)
class All:
    """Parts joined by `and`."""

    parts: tuple[Expression, ...]

    @property
    def names(self) -> frozenset[str]:
        """Those of all parts."""
        return frozenset().union(*(part.names for part in self.parts))

    def matches(self, cell: CellContext) -> bool:
        """Whether every part is true for the cell."""
        return all(part.matches(cell) for part in self.parts)


@dataclass(frozen=True)
class Any:
    """Parts joined by `or`."""

    parts: tuple[Expression, ...]

    @property
    def names(self) -> frozenset[str]:
        """Those of all parts."""
        return frozenset().union(*(part.names for part in self.parts))

    def matches(self, cell: CellContext) -> bool:
        """Whether some part is true for the cell."""
        return any(part.matches(cell) for part in self.parts)


WORDS: Final[Mapping[str, Expression]] = {
    "true": Constant(True),
    "false": Constant(False),
    "emulated": Emulated(),
    "ready": Ready(),
}
"""Words that are conditions by themselves; no axis can have their names."""
