"""A request: what the user chooses from a matrix."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.model import STANDARD_AXES, Cover


@dataclass(frozen=True, kw_only=True)
class OtherPlan:
    """The cells of another plan, made on another machine or another day."""

    file: Path
    cells: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Request:
    """The user's choice: flags by axis, an expression, a profile, a shard (1-based)."""

    profile: str | None = None
    cells: frozenset[str] | None = None
    """Exactly these ids, whatever profile, flags and expression say."""
    axes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    expression: str | None = None
    cover: Cover | None = None
    """Replaces the profile's."""
    only: OtherPlan | None = None
    """Restricts the chosen cells to those of this plan."""
    without: OtherPlan | None = None
    """Restricts the chosen cells to those that this plan lacks: the rest for another machine."""
    shard: tuple[int, int] | None = None
    budget: float | None = None
    """Seconds of one machine that all shards share; cells that do not fit are left out."""
    past: Path | None = None
    """The folder of earlier runs, whose times and verdicts budget and shards go by."""
    trials: int | None = None
    enough: int = 1
    """The number of trials of a cell."""
    timeout: float | None = None
    """Seconds for one trial."""
    offline: bool = False
    """Whether registries count as answering without a check, because their images are present."""
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
