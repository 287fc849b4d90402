"""Comparisons: what changed between two runs, and the cells' history over the runs that are there."""

from enum import StrEnum

from orchestrator.model.base import SCHEMA, Value
from orchestrator.model.rate import Rate
from orchestrator.model.result import Verdict


class ChangeKind(StrEnum):
    """How a cell changed against the baseline, worst first."""

    NEW = "new"
    """It passed there and fails here."""
    SIGNATURE = "changed signature"
    """It crashed in both, with other signatures."""
    OUTCOME = "changed outcome"
    """It ended in another way; the verdict is the same."""
    RATE = "changed rate"
    """The rate of its event changed so far that the two intervals have nothing in common."""
    FIXED = "fixed"
    """It failed there and passes here."""


class Side(Value):
    """What one run saw of a cell."""

    verdict: Verdict
    outcomes: tuple[str, ...]
    signatures: tuple[str, ...]
    rate: Rate | None = None


class Change(Value):
    """A cell that changed. `differences` names what else is not the same: image, exact versions, engine."""

    cell: str
    kind: ChangeKind
    before: Side
    after: Side
    sentence: str
    differences: tuple[str, ...] = ()


class NotComparable(Value):
    """Cells that cannot be compared for one reason. The list is cut, the count is not."""

    reason: str
    count: int
    cells: tuple[str, ...]


class Comparison(Value):
    """comparison.json of a run's folder: the run against a baseline."""

    schema_version: int = SCHEMA
    baseline: str
    baseline_created: str
    run: str
    run_created: str
    compared: int
    """Cells that both runs saw and that ask the same question of the same expectation."""
    changes: tuple[Change, ...] = ()
    """Worst kind first, then in the run's order."""
    not_comparable: tuple[NotComparable, ...] = ()
    sentence: str


class RunDigest(Value):
    """digest.json of a run's folder: what a history takes from it, so that old results are not read again.

    `cells` has a letter for each planned cell (see History), `signatures` how many cells showed each.
    """

    schema_version: int = SCHEMA
    run: str
    created: str
    profile: str
    selection: str
    shard: str | None = None
    cells: dict[str, str]
    signatures: dict[str, int]


class PastRun(Value):
    """A run whose folder is there."""

    run: str
    created: str


class SignatureHistory(Value):
    """The earliest of the runs that had a signature, and in how many of them it was seen."""

    signature: str
    first_run: str
    first_created: str
    runs: int


class History(Value):
    """history.json of a run's folder: the runs beside it up to itself, oldest first.

    A cell's series has one letter a run: p pass, f fail, e error, s skip, n planned but not run,
    - not in that run.
    """

    schema_version: int = SCHEMA
    run: str
    runs: tuple[PastRun, ...]
    left_out: int = 0
    """Older runs that were not read."""
    unreadable: tuple[str, ...] = ()
    """Folders that look like runs and could not be read, each with its reason."""
    cells: dict[str, str] = {}
    signatures: tuple[SignatureHistory, ...] = ()
