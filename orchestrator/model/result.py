"""Results: the outcome of a cell, and how it compares with the expectation."""

import shlex
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from orchestrator.model.base import SCHEMA, Integer, Line, Seconds, Value
from orchestrator.model.cell import Cell
from orchestrator.model.crash import Crash
from orchestrator.model.evidence import Evidence
from orchestrator.model.memory import DEFAULT_MEMORY
from orchestrator.model.rate import Rate
from orchestrator.model.scenario import Expectation, OutcomeKind
from orchestrator.model.unobserved import Unobserved
from orchestrator.model.user_tests import UserTests

DUMPING: Final = frozenset(
    {"SIGQUIT", "SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE", "SIGSEGV", "SIGXCPU", "SIGXFSZ", "SIGSYS"}
)
"""Signals whose default action is to dump core (signal(7))."""
MOST_NOT_KEPT: Final = 1 << 32
"""Far more trials than any cell has. A bound, because the numbers of many cells are added."""
DISK_FULL: Final = "disk: its /work was full when it ended"
CHILD: Final = "child"
"""The role of a process that only the journal tells of."""


class OtherProcess(Value):
    """A process of a trial besides the judged one, and how it ended.

    `kind`, `status` and `signal` are its parent's account, or the journal's where its parent is not known.
    """

    pid: Integer | None
    """In the container's own pid namespace."""
    name: str | None = None
    """Its command name (comm), where a core of it was reported."""
    role: str
    """What it was: `child`, or for example `worker 2` of a server, `worker gw0` of pytest-xdist."""
    doing: str | None = None
    """What it was doing when it ended, for example the test that ran."""
    kind: OutcomeKind
    status: Integer | None = None
    signal: str | None = None
    core_dumped: bool = False
    notes: tuple[str, ...] = ()

    @property
    def crashed(self) -> bool:
        """Whether it ended by a signal whose default action is to dump a core."""
        return self.core_dumped or self.signal in DUMPING

    @property
    def words(self) -> str:
        """The process in a few words, the same in each trial: its role, its name, what it was doing."""
        name = f" process {self.name}" if self.name and self.role == CHILD else ""
        return f"{self.role}{name}{f' while {self.doing} ran' if self.doing else ''}"


class Outcome(Value):
    """The outcome of one trial. Paths are relative to the run's folder; times are in seconds."""

    kind: OutcomeKind
    status: Integer | None = None
    signal: str | None = None
    core_dumped: bool = False
    """WCOREDUMP of the wait status: the kernel reports that it wrote a core."""
    pid: Integer | None = None
    """The process under test, in the container's own pid namespace."""
    seconds: Seconds
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
    disk_full: bool = False
    """Whether the work volume of its container had no room left when that ended."""
    evidence: Evidence | None = None
    """The findings of the cell's instrument; None if it has no instrument."""
    doing: str | None = None
    """What the process was doing when it ended, for example the test that ran."""
    others: tuple[OtherProcess, ...] = ()
    """Further processes that the supervisor saw end."""
    tests: UserTests | None = None
    """The user's own tests; None where the target is not pytest."""
    answers: tuple[str, ...] = ()
    """What was odd about the answers of an application's server."""
    exception: str | None = None
    """Of an exit with an error, or an odd answer: the last line of the traceback of the last exception."""
    last_line: str | None = None
    """Of an exit with an error and no exception: the last line of stderr, or else of stdout."""

    @property
    def failed_import(self) -> bool:
        """Whether a module could not be imported: then nothing was asked of the environment."""
        return (self.exception or "").partition(":")[0] in ("ImportError", "ModuleNotFoundError")

    @property
    def exit_words(self) -> str:
        """The exit status, with what the process said of it."""
        said = self.exception or self.last_line
        return f"exit {self.status}" + (f": {said}" if said else "")


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
    bytes: Integer | None = None
    truncated: bool = False
    signal: str | None = None
    note: str | None = None


class OtherCrash(Value):
    """A process of a trial besides the judged one that crashed, with its core."""

    process: OtherProcess
    core: CoreFile
    crash: Crash | None = None

    @property
    def ended(self) -> str:
        """The crash in a few words, with its process and what that was doing."""
        seen = self.crash.signature if self.crash else self.process.signal or "a crash"
        return f"{seen} of {self.process.words}"


class Trial(Value):
    """One run of a cell's process, with its evidence. `number` counts from 1 over all trials of the cell."""

    number: Integer
    outcome: Outcome
    core: CoreFile
    crash: Crash | None = None
    others: tuple[OtherCrash, ...] = ()
    """Crashes of other processes, in the order in which the kernel's handler reported them."""
    others_left_out: Integer = 0
    """Further such crashes, whose cores were not collected."""
    disagreement: str | None = None
    """Where the supervisor's report of a process and the host's store of cores disagree."""

    @property
    def crashes(self) -> tuple[Crash, ...]:
        """All cores that were read, the judged process's first."""
        own = (self.crash,) if self.crash else ()
        return (*own, *(other.crash for other in self.others if other.crash))

    @property
    def cores(self) -> tuple[tuple[CoreFile, Crash | None], ...]:
        """The core of each process that crashed, the judged process's first, with the crash that it shows."""
        return ((self.core, self.crash), *((other.core, other.crash) for other in self.others))

    @property
    def telling_core(self) -> tuple[CoreFile, Crash | None]:
        """The core that stands for the trial: the judged process's, else the first other that was read."""
        return next((item for item in self.cores if item[1]), self.cores[0])

    @property
    def ended(self) -> str:
        """The ending in a few words: the original fault of a core; an exit with a crash beside it."""
        if self.outcome.kind is OutcomeKind.EXIT and self.others:
            return f"{self._ended} with a crashed {self.others[0].process.role.partition(' ')[0]}"
        return self._ended

    @property
    def _ended(self) -> str:
        if self.crash and self.outcome.kind is OutcomeKind.SIGNAL:
            return self.crash.signal.name
        if self.outcome.kind is OutcomeKind.EXIT:
            name = (self.outcome.exception or "").partition(":")[0]
            return f"exit {self.outcome.status}" + (f" ({name})" if name else "")
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
    wrong: tuple[str, ...] = ()
    """The parts of the expectation that are not met, each in a few words; of a failure with `expect` only."""


class CellHost(Value):
    """The host of a fleet that ran a cell, and the folder there that stands for the run's."""

    name: Line
    folder: Line

    def place_of(self, path: str) -> str:
        """Where a file of the run's folder lies that was not brought from the host: `HOST:PATH`."""
        return f"{self.name}:{self.folder}/{path}"


class CellResult(Value):
    """cells/<id>/result.json: everything known about a cell after its end."""

    schema_version: Integer = SCHEMA
    run: str
    cell: Cell
    image: str
    image_id: str | None = None
    expectation: Expectation
    lock: str | None = None
    """The digest of the packages in the cell's virtual environment (locks/DIGEST.txt); None without one."""
    packages: dict[str, str] = {}
    """Their versions by distribution."""
    built: tuple[str, ...] = ()
    """The source distributions, by file name, that packages without a wheel were built from."""
    network: bool = False
    """Whether the container had a network beside its loopback."""
    memory: Integer = DEFAULT_MEMORY
    """The memory limit of the container, in bytes."""
    host: CellHost | None = None
    """The host that ran it, where that was another machine than the run's."""
    judgement: Judgement
    unobserved: Unobserved | None = None
    """Why there is no trial, where nothing could be observed."""
    trials: tuple[Trial, ...] = ()
    not_kept: Annotated[int, Field(ge=0, le=MOST_NOT_KEPT)] = 0
    """The number of further trials whose evidence was not kept; each ended as a kept one did."""
    rate: Rate | None = None
    """The rate of the expected crash; where no crash is expected, the rate of unexpected trials. Counted over
    all trials that could be judged; None if there are none."""
    started: str
    seconds: Seconds
    repeat: str
    """The shell command that repeats this cell with this tool."""
    by_hand: str = ""
    """The engine's own command that repeats one trial without this tool."""

    @property
    def runs(self) -> str | None:
        """The start of the command that repeats this cell, which runs other cells of its project too.

        None where that command names no cell, as one of a bisection.
        """
        own = shlex.join(["--cell", self.cell.id])
        return self.repeat.removesuffix(own).rstrip() if self.repeat.endswith(own) else None
