"""The supervisor's report: how the process of each trial exited.

The supervisor runs in the container as the parent of that process, so it sees the true wait status: the
container's own exit code does not distinguish a signal from `exit(139)`, and a server's exit code may say
nothing about its worker. Only the supervisor can write it (supervisor/report.py), but its facts about
tests, a server's workers and answers come from the tested process.
"""

import re
import signal
from typing import Annotated, Final, Literal

from pydantic import Field, ValidationError, field_validator

from orchestrator.errors import EngineError
from orchestrator.model import OtherProcess, OutcomeKind, Value
from orchestrator.supervisor.report import LONGEST_DOING, LONGEST_NOTE, MOST_NOTES

MAX_BYTES: Final = 1 << 20
_SIGNALS: Final = frozenset(item.name for item in signal.Signals)
_UNNAMED: Final = re.compile(r"SIG\d{1,2}")
"""A real-time signal without a name of its own, as the supervisor writes it."""

FAILURE: Final = b'{"failure"'
MAX_OTHERS: Final = 200
"""Further processes of a trial; a server's workers, or one pytest for each test that crashes."""
Short = Annotated[str, Field(max_length=LONGEST_NOTE)]
Long = Annotated[str, Field(max_length=LONGEST_DOING)]


class _Ended(Value):
    """How a process ended."""

    pid: Annotated[int, Field(ge=1)] | None
    kind: OutcomeKind
    status: Annotated[int, Field(ge=0, le=255)] | None = None
    signal: Short | None = None
    core_dumped: bool = False
    doing: Long | None = None
    """What it was doing when it ended, for example the test that ran."""
    notes: Annotated[tuple[Short, ...], Field(max_length=MOST_NOTES)] = ()

    @field_validator("signal")
    @classmethod
    def _known_signal(cls, name: str | None) -> str | None:
        if name is not None and name not in _SIGNALS and not _UNNAMED.fullmatch(name):
            raise ValueError(f"no signal is called {name!r}")
        return name


class OtherExit(_Ended):
    """How another process of a trial ended."""

    role: Short

    @property
    def process(self) -> OtherProcess:
        """The same as the model has it."""
        return OtherProcess.model_validate(self.model_dump())


class ProcessExit(_Ended):
    """How the judged process of one trial exited; `seconds` is its own wall time.

    `after` is the time from the supervisor's start to the process's, in seconds.
    """

    emulator_core: Annotated[str, Field(max_length=255, pattern=r"^qemu_[^/\x00-\x1f]+\.core$")] | None = None
    interrupted: bool = False
    after: Annotated[float, Field(ge=0)] = 0.0
    seconds: Annotated[float, Field(ge=0)]
    answers: Annotated[tuple[Short, ...], Field(max_length=50)] = ()
    """What was odd about a server's answers."""
    others: Annotated[tuple[OtherExit, ...], Field(max_length=MAX_OTHERS)] = ()
    tests: Annotated[str, Field(pattern=r"^tests-\d{1,4}\.jsonl$")] | None = None
    """The name of the pytest plugin's log beside this report."""


class _Head(Value):
    """The report's first line."""

    schema_version: Literal[4] = Field(alias="schema")
    versions: Annotated[dict[Short, Short], Field(max_length=20)] = {}


class _Failure(Value):
    """The report's last line where the supervisor failed."""

    failure: Short


class SupervisorReport(Value):
    """The exits of a container's trials in their order, and the versions found in the container.

    `failure` says why the supervisor knows of no further exit.
    """

    versions: dict[Short, Short] = {}
    trials: Annotated[tuple[ProcessExit, ...], Field(max_length=1000)] = ()
    failure: str | None = None


def parse_report(raw: bytes) -> SupervisorReport:
    """Parse the report; raises EngineError for anything else, since no exit is known then.

    A last line without its end is none: the container was ended while the supervisor wrote it.
    """
    if len(raw) > MAX_BYTES:
        raise _unreadable(f"{len(raw)} bytes long")
    head, *lines = raw.split(b"\n")[:-1] or [b""]
    try:
        versions = _Head.model_validate_json(head).versions
        failed = [
            _Failure.model_validate_json(line).failure for line in lines[-1:] if line.startswith(FAILURE)
        ]
        lines = lines[: len(lines) - len(failed)]
        trials = tuple(ProcessExit.model_validate_json(line) for line in lines)
        return SupervisorReport(versions=versions, trials=trials, failure=failed[0] if failed else None)
    except ValidationError as error:
        raise _unreadable(error.errors()[0]["msg"]) from error


def _unreadable(why: str) -> EngineError:
    return EngineError(
        f"the supervisor's report of the process cannot be read ({why})",
        hint="repeat the cell; if it stays, build its image again",
    )
