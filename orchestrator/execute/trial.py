"""Trials: a cell's process run in a fresh container, and how each run ended."""

import threading
import time
import uuid
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from orchestrator.adapters.engine import ContainerSpec, Ended, Engine
from orchestrator.errors import EngineError, EngineGoneError, HostError, UnreportedError
from orchestrator.execute import emulation
from orchestrator.execute.command import (
    CAPABILITIES,
    SUPERVISOR_USER,
    TrialCommand,
    Variant,
    goes_on_while,
)
from orchestrator.execute.evidence import fetch_evidence
from orchestrator.execute.exits import exits_of, read_report
from orchestrator.execute.last_words import last_exception, last_line
from orchestrator.execute.programs import keep_programs, may_have_core
from orchestrator.execute.streams import LIMIT, NAMES, Streams, open_streams
from orchestrator.execute.supervisor_report import ProcessExit
from orchestrator.execute.user_tests import fetch_tests
from orchestrator.launchers import LAUNCHERS
from orchestrator.model import Evidence, Expectation, Outcome, OutcomeKind
from orchestrator.model.memory import over_memory
from orchestrator.supervisor.clock import LONGEST
from orchestrator.supervisor.dumps import DUMP_LIMIT
from orchestrator.supervisor.paths import MARK_VARIABLE, REPORT_VOLUME, WORK

BETWEEN: Final = 5.0
"""Seconds between two trials of a container, in which the supervisor removes what the first left behind."""
GRACE: Final = DUMP_LIMIT + 75.0
"""Seconds beyond the trials' own timeouts after which the container is killed from outside: the supervisor's
time for cores, and the few seconds that each process which hangs gets to die of a signal. Only a stuck
supervisor reaches the limit."""


@dataclass(frozen=True, kw_only=True)
class TrialRequest:
    """Up to `count` trials in one container, numbered from `first` on.

    Each trial's output goes to its own folder in `folder`; paths in outcomes are relative to `root`.
    """

    command: TrialCommand
    expectation: Expectation
    image: str
    first: int
    count: int
    root: Path
    folder: Path
    labels: Mapping[str, str]
    variants: tuple[Variant, ...] = ()
    """The settings of each trial, if they differ: trials of several cells share the container."""

    def trial_folder(self, index: int) -> Path:
        """The folder of the trial of this index in the container."""
        return self.variants[index].folder if self.variants else self.folder / f"trial-{self.number(index)}"

    def number(self, index: int) -> int:
        """The number of the trial of this index among all of its cell."""
        return self.first if self.variants else self.first + index


@dataclass(frozen=True, kw_only=True)
class _Made:
    """A container that was created: its id and name, and what separates its trials' outputs, if anything.

    `report` is the name of the volume that the supervisor's report is on.
    """

    container: str
    hostname: str
    mark: str
    report: str


def new_hostname() -> str:
    """A name for a container, which it has as its host name too."""
    return f"cm-{uuid.uuid4().hex[:12]}"


def run_trials(
    engine: Engine,
    request: TrialRequest,
    slot: AbstractContextManager[object] | None = None,
    hostname: str | None = None,
) -> tuple[Outcome, ...]:
    """Run trials in one container until one ends in a way that must be examined; at least one.

    The container is made at once, and runs while `slot` is held. It and its volumes are removed in every
    case, later where nothing failed (`Engine.discard_later`). Raises EngineError if it is unknown how a
    process exited. That is never a verdict on the process, and a crashed process is never run again
    in its place.
    """
    hostname = hostname or new_hostname()
    mark = f"\x1ecrashmatrix {uuid.uuid4().hex}\x1e\n" if request.count > 1 or request.variants else ""
    command = request.command
    going_on = goes_on_while(request.expectation)
    spec = ContainerSpec(
        image=request.image,
        command=command.shared(request.count, going_on, request.variants) if mark else command.single(),
        hostname=hostname,
        platform=command.cell.arch.platform,
        labels=request.labels,
        environment={**command.environment(), **({MARK_VARIABLE: mark} if mark else {})},
        work=WORK,
        network=command.network,
        memory=command.memory,
        user=SUPERVISOR_USER,
        capabilities=CAPABILITIES,
        volumes=(REPORT_VOLUME,),
    )
    try:
        made = _Made(
            container=engine.create(spec), hostname=hostname, mark=mark, report=next(iter(spec.further))
        )
        outcomes = _watch(engine, made, request, slot or nullcontext())
        if may_have_core(outcomes[-1]):
            note = keep_programs(engine, made.container, request.trial_folder(len(outcomes) - 1))
            outcomes = _noted(outcomes, note) if note else outcomes
    except BaseException:
        # The error that ended the trial is the diagnosis; a dead engine cannot remove anything either.
        with suppress(HostError):
            engine.discard(hostname)
        raise
    engine.discard_later(hostname)  # the outcomes stand; the run's end removes it, or says that it cannot
    return outcomes


def _noted(outcomes: tuple[Outcome, ...], note: str) -> tuple[Outcome, ...]:
    """Outcomes with a note on the last."""
    return (*outcomes[:-1], outcomes[-1].model_copy(update={"notes": (*outcomes[-1].notes, note)}))


def _watch(
    engine: Engine, made: _Made, request: TrialRequest, slot: AbstractContextManager[object]
) -> tuple[Outcome, ...]:
    container, overdue = made.container, threading.Event()
    folders = [request.trial_folder(index) for index in range(request.count)]
    deadline = request.count * (request.command.timeout * LONGEST + BETWEEN) + GRACE
    deadline += emulation.GRACE if request.command.emulated else 0
    with slot, open_streams(folders, made.mark.encode(), LIMIT // request.count) as streams:
        started, clock = datetime.now(UTC), time.monotonic()
        ended = _run_with_deadline(engine, container, streams, deadline, overdue)
        seconds = time.monotonic() - clock
    try:
        report = read_report(engine, container, made.report)
        exits = exits_of(report.trials if report else (), ended, overdue.is_set(), seconds)
    except EngineGoneError:
        raise
    except EngineError as error:
        raise UnreportedError(error, hostname=made.hostname, container=container) from error
    return tuple(
        Outcome(
            kind=item.kind,
            status=item.status,
            signal=item.signal,
            core_dumped=item.core_dumped,
            pid=item.pid,
            seconds=round(item.seconds, 3),
            started=(started + timedelta(seconds=item.after)).isoformat(timespec="milliseconds"),
            container=container,
            hostname=made.hostname,
            stdout=str(folder.relative_to(request.root) / streams.file_name("stdout")),
            stderr=str(folder.relative_to(request.root) / streams.file_name("stderr")),
            truncated_streams=streams.truncated(index),
            emulated=request.command.emulated,
            emulator_core=_emulator_core(engine, container, item, folder, request),
            versions=report.versions if report else {},
            notes=_notes(item, request),
            disk_full=ended.disk_full and item is exits[-1],
            answers=item.answers,
            **_said(item, folder, streams, _clean_statuses(request)),
            evidence=_evidence(engine, container, item.pid, folder, request),
            doing=item.doing,
            others=tuple(other.process for other in item.others),
            tests=fetch_tests(
                engine,
                container,
                item,
                folder=folder,
                root=request.root,
                stderr=folder / streams.file_name("stderr"),
            ),
        )
        for index, (item, folder) in enumerate(zip(exits, folders, strict=False))
    )


def _notes(item: ProcessExit, request: TrialRequest) -> tuple[str, ...]:
    """The supervisor's notes on an exit; of a process without memory first the limit that it met."""
    limit = (over_memory(request.command.memory),) if item.kind is OutcomeKind.OOM else ()
    return (*limit, *item.notes)


def _clean_statuses(request: TrialRequest) -> frozenset[int | None]:
    """The exit statuses that are no error: 0, the launcher's own for a clean end, and the expected one."""
    launcher = LAUNCHERS[request.command.cell.launcher]
    return frozenset({0, launcher.clean_status, request.expectation.status})


def _said(item: ProcessExit, folder: Path, streams: Streams, clean: frozenset[int | None]) -> dict[str, str]:
    """The last words of a process that ended with an error; nothing where its status is a clean one."""
    stdout, stderr = (folder / streams.file_name(name) for name in NAMES)
    if item.kind is not OutcomeKind.EXIT or item.status in clean:
        # A worker that ends well may have failed in a request: its server writes the traceback.
        exception = last_exception(stderr) if item.answers else None
        return {"exception": exception} if exception else {}
    if exception := last_exception(stderr):
        return {"exception": exception}
    line = last_line(stderr, stdout)
    return {"last_line": line} if line else {}


def _evidence(
    engine: Engine, container: str, pid: int | None, folder: Path, request: TrialRequest
) -> Evidence | None:
    """What the cell's instrument found in the container's one trial."""
    instrument = request.command.instrument
    if instrument is None:
        return None
    return fetch_evidence(engine, container, instrument, pid=pid, folder=folder, root=request.root)


def _emulator_core(
    engine: Engine, container: str, item: ProcessExit, folder: Path, request: TrialRequest
) -> str | None:
    """The path of the core that qemu-user wrote in a trial, relative to the run's folder."""
    if item.emulator_core is None or not request.command.emulated:
        return None
    kept = emulation.keep_core(engine, container, f"{WORK}/{item.emulator_core}", folder)
    return str(kept.relative_to(request.root)) if kept else None


def _run_with_deadline(
    engine: Engine, container: str, streams: Streams, seconds: float, overdue: threading.Event
) -> Ended:
    def end_it() -> None:
        overdue.set()
        engine.kill(container)

    timer = threading.Timer(seconds, end_it)
    timer.daemon = True
    timer.start()
    try:
        return engine.run(container, streams.write)
    finally:
        timer.cancel()
