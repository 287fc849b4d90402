"""Comparisons: what changed between two runs, and the history of cells over all known runs."""

from enum import StrEnum
from typing import Final

from orchestrator.model.base import SCHEMA, Integer, Position, Seconds, Value
from orchestrator.model.cause import CauseKind
from orchestrator.model.rate import Rate
from orchestrator.model.result import Verdict

COMPARISON_SCHEMA: Final = 3
"""Version of comparison.json. Version 2 has the kind `no longer seen` in place of `no longer observed`."""


class ChangeKind(StrEnum):
    """How a cell changed against the baseline, worst first."""

    NEW = "new"
    """It passed in the baseline and fails now."""
    UNOBSERVED = "no longer observed"
    """It passed in the baseline and could not be observed now."""
    SIGNATURE = "changed signature"
    """It crashed in both runs, with different signatures."""
    OUTCOME = "changed outcome"
    """It ends in another way with the same verdict."""
    RATE = "changed rate"
    """The rate of its event changed so much that the two intervals do not overlap."""
    FIXED = "fixed"
    """It failed in the baseline and passes now."""


class Side(Value):
    """A cell in one run."""

    verdict: Verdict
    outcomes: tuple[str, ...]
    signatures: tuple[str, ...]
    rate: Rate | None = None


class Change(Value):
    """A cell that changed. `differences` names what else differs: image, exact versions, engine."""

    cell: str
    kind: ChangeKind
    before: Side
    after: Side
    sentence: str
    differences: tuple[str, ...] = ()
    baseline: str | None = None
    """The run that it is compared with, where that is not the comparison's."""


class NotComparable(Value):
    """Cells that cannot be compared, for one reason. `cells` may be shortened, `count` is exact."""

    reason: str
    count: Integer
    cells: tuple[str, ...]


class Comparison(Value):
    """comparison.json of a run's folder: it against a baseline, or each cell against the newest that saw it.

    `baseline` is the newest run that is compared with, `older` are further ones, for cells that newer runs
    did not see.
    """

    schema_version: Integer = COMPARISON_SCHEMA
    baseline: str
    baseline_created: str
    older: tuple[str, ...] = ()
    run: str
    run_created: str
    compared: Integer
    """Cells that both runs observed, with the same image content and expectation."""
    changes: tuple[Change, ...] = ()
    """Worst kind first, then in the run's order."""
    not_comparable: tuple[NotComparable, ...] = ()
    sentence: str


class PastCause(Value):
    """A cause of an earlier run, with the fields that later runs compare."""

    kind: CauseKind
    scenario: str | None
    title: str
    cells: tuple[Position, ...]
    """Its cells, as positions among the digest's."""


class RunDigest(Value):
    """digest.json of a run's folder: the data for histories, so that old results are not read again.

    `cells` has a letter for each planned cell (see History), `signatures` how many cells showed each.
    """

    schema_version: Integer = SCHEMA
    run: str
    created: str
    profile: str
    selection: str
    shard: str | None = None
    cells: dict[str, str]
    signatures: dict[str, Integer]
    causes: dict[str, PastCause] | None = None
    """Its causes by id; None in digests of older versions."""
    seconds: dict[str, Seconds] = {}
    """How long each cell took that was observed."""
    builds: dict[str, Seconds] = {}
    """How long an image took to build on average, by kind and architecture such as `cell x86_64`; one that
    was there took none, so that these say what a machine of the same kind has to build."""


class PastRun(Value):
    """An earlier run whose folder exists."""

    run: str
    created: str


class SignatureHistory(Value):
    """The earliest run that had a signature, and the number of runs that had it."""

    signature: str
    first_run: str
    first_created: str
    runs: Integer


class History(Value):
    """history.json of a run's folder: this run and the earlier runs beside it, oldest first.

    A cell's series has one letter for each run: p pass, f fail, e error, s skip, n planned but not run,
    - not in that run.
    """

    schema_version: Integer = SCHEMA
    run: str
    runs: tuple[PastRun, ...]
    left_out: Integer = 0
    """Older runs that were not read."""
    unreadable: tuple[str, ...] = ()
    """Folders that look like runs but cannot be read, each with the reason."""
    cells: dict[str, str] = {}
    signatures: tuple[SignatureHistory, ...] = ()
