"""Results: what was seen in a cell, and how it compares with what was expected."""

from enum import StrEnum

from orchestrator.model.base import SCHEMA, Value
from orchestrator.model.cell import Cell
from orchestrator.model.crash import Crash
from orchestrator.model.evidence import Evidence
from orchestrator.model.rate import Rate
from orchestrator.model.scenario import Expectation, OutcomeKind


class Outcome(Value):
    """What was seen of one trial. Paths are relative to the run's folder; times in seconds."""

    kind: OutcomeKind
    status: int | None = None
    signal: str | None = None
    core_dumped: bool = False
    """WCOREDUMP of the wait status: the kernel says that it wrote a core."""
    pid: int | None = None
    """The process under question, in the container's own pid namespace."""
    seconds: float
    started: str
    container: str
    hostname: str
    stdout: str
    stderr: str
    truncated_streams: tuple[str, ...] = ()
    """Streams that were longer than the limit and are not whole."""
    emulated: bool = False
    """Under qemu-user, whose own core of the process is then the one that counts."""
    emulator_core: str | None = None
    """The core that qemu-user wrote of the process, fetched out of the container."""
    versions: dict[str, str] = {}
    """What the container itself said: exact python and glibc."""
    notes: tuple[str, ...] = ()
    evidence: Evidence | None = None
    """What the cell's instrument saw; None where it has none."""


class CoreState(StrEnum):
    """What became of a trial's core."""

    NONE = "none"
    """The process did not end in a way that writes a core."""
    FOUND = "found"
    LOST = "lost"
    """The process died of a core-dumping signal and no core arrived: said, never silent."""


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
        """How it ended, in a word or two; of a crash that was read, the original fault."""
        if self.crash and self.outcome.kind is OutcomeKind.SIGNAL:
            return self.crash.signal.name
        if self.outcome.kind is OutcomeKind.EXIT:
            return f"exit {self.outcome.status}"
        if self.outcome.kind is OutcomeKind.SIGNAL:
            return self.outcome.signal or "a signal"
        return {OutcomeKind.HANG: "a hang", OutcomeKind.OOM: "out of memory"}[self.outcome.kind]


class Verdict(StrEnum):
    """Seen and expected, compared."""

    PASS = "pass"
    FAIL = "fail"
    ERROR = "error"
    SKIP = "skip"


class Judgement(Value):
    """A verdict with the sentence that says why."""

    verdict: Verdict
    reason: str


class CellResult(Value):
    """cells/<id>/result.json: all that is known of a cell when it has ended."""

    schema_version: int = SCHEMA
    run: str
    cell: Cell
    image: str
    image_id: str | None = None
    expectation: Expectation
    judgement: Judgement
    trials: tuple[Trial, ...] = ()
    not_kept: int = 0
    """How many more trials were run whose evidence was not kept: they ended as others did that are here."""
    rate: Rate | None = None
    """How often the expected crash came, or, where none is expected, how often a trial was not as
    expected; of all trials that could be judged. None where none could."""
    started: str
    seconds: float
    repeat: str
    """The shell command that repeats this cell with this tool."""
    by_hand: str = ""
    """The engine's own command that repeats one trial without this tool."""
