"""Results: the outcome of a cell, and how it compares with the expectation."""

from enum import StrEnum

from orchestrator.model.base import SCHEMA, Value
from orchestrator.model.cell import Cell
from orchestrator.model.crash import Crash
from orchestrator.model.evidence import Evidence
from orchestrator.model.rate import Rate
from orchestrator.model.scenario import Expectation, OutcomeKind


class Outcome(Value):
    """The outcome of one trial. Paths are relative to the run's folder; times are in seconds."""

    kind: OutcomeKind
    status: int | None = None
    signal: str | None = None
    core_dumped: bool = False
    """WCOREDUMP of the wait status: the kernel reports that it wrote a core."""
    pid: int | None = None
    """The process under test, in the container's own pid namespace."""
    seconds: float
    started: str
    container: str
    hostname: str
    stdout: str
    stderr: str
    truncated_streams: tuple[str, ...] = ()
    """Streams that exceeded the limit and are truncated."""
    emulated: bool = False
    """Whether the process ran under qemu-user, whose own core of it counts then."""
    emulator_core: str | None = None
    """The core of the process that qemu-user wrote, copied from the container."""
    versions: dict[str, str] = {}
    """The exact versions of python and glibc, as the container reports them."""
    notes: tuple[str, ...] = ()
    evidence: Evidence | None = None
    """The findings of the cell's instrument; None if it has no instrument."""


class CoreState(StrEnum):
    """The state of a trial's core."""

    NONE = "none"
    """The process ended in a way that writes no core."""
    FOUND = "found"
    LOST = "lost"
    """The process died of a core-dumping signal and no core arrived. Always reported."""


class CoreFile(Value):
    """A trial's core as it was collected."""

    state: CoreState
    path: str | None = None
    bytes: int | None = None
    truncated: bool = False
    signal: str | None = None
    note: str | None = None


class Trial(Value):
    """One run of a cell's process, with its evidence. `number` counts from 1 over all trials of the cell."""

    number: int
    outcome: Outcome
    core: CoreFile
    crash: Crash | None = None

    @property
    def ended(self) -> str:
        """The ending in a word or two; the original fault if a core was read."""
        if self.crash and self.outcome.kind is OutcomeKind.SIGNAL:
            return self.crash.signal.name
        if self.outcome.kind is OutcomeKind.EXIT:
            return f"exit {self.outcome.status}"
        if self.outcome.kind is OutcomeKind.SIGNAL:
            return self.outcome.signal or "a signal"
        return {OutcomeKind.HANG: "a hang", OutcomeKind.OOM: "out of memory"}[self.outcome.kind]


class Verdict(StrEnum):
    """The result of comparing an outcome with an expectation."""

    PASS = "pass"
    FAIL = "fail"
    ERROR = "error"
    SKIP = "skip"


class Judgement(Value):
    """A verdict with its reason."""

    verdict: Verdict
    reason: str


class CellResult(Value):
    """cells/<id>/result.json: everything known about a cell after its end."""

    schema_version: int = SCHEMA
    run: str
    cell: Cell
    image: str
    image_id: str | None = None
    expectation: Expectation
    judgement: Judgement
    trials: tuple[Trial, ...] = ()
    not_kept: int = 0
    """The number of further trials whose evidence was not kept; each ended as a kept one did."""
    rate: Rate | None = None
    """The rate of the expected crash; where no crash is expected, the rate of unexpected trials. Counted over
    all trials that could be judged; None if there are none."""
    started: str
    seconds: float
    repeat: str
    """The shell command that repeats this cell with this tool."""
    by_hand: str = ""
    """The engine's own command that repeats one trial without this tool."""
