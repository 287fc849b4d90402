"""What the user asks of a matrix."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.model import STANDARD_AXES, Cover


@dataclass(frozen=True, kw_only=True)
class OtherPlan:
    """The cells of a plan that another machine made, or another night."""

    file: Path
    cells: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the user asked for: flags by axis, an expression, a profile, a shard (1-based)."""

    profile: str | None = None
    cells: frozenset[str] | None = None
    """Exactly these ids, whatever profile, flags and expression say."""
    axes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    expression: str | None = None
    cover: Cover | None = None
    """Replaces the profile's."""
    only: OtherPlan | None = None
    """Of the chosen cells those that this plan has."""
    without: OtherPlan | None = None
    """Of the chosen cells those that this plan lacks: what another machine cannot run."""
    shard: tuple[int, int] | None = None
    trials: int | None = None
    enough: int = 1
    """How many trials that settle a cell's verdict are run."""
    timeout: float | None = None
    """Seconds for one trial."""
    offline: bool = False
    """Whether registries are taken to answer without being asked: their images are here already."""
    lock: Path | None = None
    """The folder of a run, or one lock's file, whose packages are installed again."""
    build_missing: bool = False
    """Whether a package without a wheel is built from its source distribution."""
    allow_empty: bool = False
    """Whether a selection whose cells are all excluded is a run of skips instead of a mistake."""


def axis_flag(axis: str, values: Sequence[str]) -> str:
    """The flag that chooses these values of an axis: a standard axis has one of its own name."""
    joined = ",".join(values)
    return f"--{axis} {joined}" if axis in STANDARD_AXES else f"--axis {axis}={joined}"
