"""Trials: runs of a cell in a fresh container, and what their parent process saw of each."""

import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from orchestrator.adapters.engine import ContainerSpec, Ended, Engine
from orchestrator.errors import EngineError
from orchestrator.execute import emulation
from orchestrator.execute.command import Question, goes_on_while
from orchestrator.execute.fate import FATE_NAME, MAX_BYTES, Account, Fate, parse_account
from orchestrator.execute.streams import LIMIT, Streams, open_streams
from orchestrator.instruments.evidence import fetch_evidence
from orchestrator.model import Evidence, Expectation, Instrument, Outcome, OutcomeKind
from orchestrator.model.container import FATE_FOLDER, WORK

BETWEEN: Final = 5.0
"""Seconds allowed between two trials of a container, to end and remove what the first left behind."""
TAR: Final = 1 << 16
"""Bytes that an archive may be larger than the one small file in it."""
GRACE: Final = 75.0
"""Seconds beyond a trial's own timeout before the container is killed from outside. Within them the
supervisor has a hanging process write its core, which it allows 65 s; only where it is stuck itself is
this reached."""


@dataclass(frozen=True, kw_only=True)
class TrialRequest:
    """What to run: up to `count` trials in one container, of which the first has the number `first`.

    Each trial's output goes to a folder of its own in `folder`; paths of outcomes are relative to `root`.
    """

    question: Question
    expectation: Expectation
    image: str
    first: int
    count: int
    root: Path
    folder: Path
    labels: Mapping[str, str]

    def trial_folder(self, index: int) -> Path:
        """The folder of the trial of this index in the container."""
        return self.folder / f"trial-{self.first + index}"


def run_trials(engine: Engine, request: TrialRequest) -> tuple[Outcome, ...]:
    """Run trials in one container, until one ends in a way that must be looked at; at least one.

    Whatever happens, the container and its volume are gone afterwards. Raises EngineError where it
    could not be seen how a process ended. That is never a verdict on the process, and a process
    that crashed is never run again in its place.
    """
    hostname = f"cm-{uuid.uuid4().hex[:12]}"
    mark = f"\x1ecrashmatrix {uuid.uuid4().hex}\x1e\n" if request.count > 1 else ""
    question = request.question
    going_on = goes_on_while(request.expectation)
    spec = ContainerSpec(
        image=request.image,
        command=question.shared_command(request.count, going_on, mark) if mark else question.command(),
        hostname=hostname,
        platform=question.cell.arch.platform,
        labels=request.labels,
        environment=question.environment(),
        work=WORK,
    )
    try:
        outcomes = _watch(engine, engine.create(spec), hostname, request, mark)
    except BaseException:
        # What ended the trial is the diagnosis; an engine that is gone cannot remove anything either.
        with suppress(EngineError):
            _remove(engine, hostname)
        raise
    try:
        _remove(engine, hostname)
    except EngineError as error:
        # What was seen stays seen; a later run removes what is left.
        note = f"the container could not be removed: {error.what}"
        return (*outcomes[:-1], outcomes[-1].model_copy(update={"notes": (*outcomes[-1].notes, note)}))
    return outcomes


def _remove(engine: Engine, hostname: str) -> None:
    """Remove by name: a container exists also where the engine's answer to its creation was lost."""
    engine.remove(hostname)
    engine.remove_volume(hostname)


def _watch(
    engine: Engine, container: str, hostname: str, request: TrialRequest, mark: str
) -> tuple[Outcome, ...]:
    started, clock = datetime.now(UTC), time.monotonic()
    overdue = threading.Event()
    folders = [request.trial_folder(index) for index in range(request.count)]
    deadline = request.count * (request.question.timeout + BETWEEN) + GRACE
    deadline += emulation.GRACE if request.question.emulated else 0
    with open_streams(folders, mark.encode(), LIMIT // request.count) as streams:
        ended = _run_with_deadline(engine, container, streams, deadline, overdue)
    account = _account(engine, container)
    fates = _fates(account.trials if account else (), ended, overdue.is_set(), time.monotonic() - clock)
    return tuple(
        Outcome(
            kind=fate.kind,
            status=fate.status,
            signal=fate.signal,
            core_dumped=fate.core_dumped,
            pid=fate.pid,
            seconds=round(fate.seconds, 3),
            started=(started + timedelta(seconds=fate.after)).isoformat(timespec="milliseconds"),
            container=container,
            hostname=hostname,
            stdout=str(folder.relative_to(request.root) / streams.file_name("stdout")),
            stderr=str(folder.relative_to(request.root) / streams.file_name("stderr")),
            truncated_streams=streams.truncated(index),
            emulated=request.question.emulated,
            emulator_core=_emulator_core(engine, container, fate, folder, request),
            versions=account.versions if account else {},
            notes=fate.notes,
            evidence=_evidence(engine, container, fate.pid, folder, request),
        )
        for index, (fate, folder) in enumerate(zip(fates, folders, strict=False))
    )


def _evidence(
    engine: Engine, container: str, pid: int | None, folder: Path, request: TrialRequest
) -> Evidence | None:
    """What the cell's instrument saw of its one trial in this container."""
    instrument = request.question.cell.instrument
    if instrument is Instrument.NONE:
        return None
    return fetch_evidence(engine, container, instrument, pid=pid, work=WORK, folder=folder, root=request.root)


def _emulator_core(
    engine: Engine, container: str, fate: Fate, folder: Path, request: TrialRequest
) -> str | None:
    """Where the core that qemu-user wrote of a trial is kept, relative to the run's folder."""
    if fate.emulator_core is None or not request.question.emulated:
        return None
    kept = emulation.keep_core(engine, container, f"{WORK}/{fate.emulator_core}", folder)
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


def _account(engine: Engine, container: str) -> Account | None:
    """The supervisor's account; None where it wrote none."""
    path = f"{WORK}/{FATE_FOLDER}/{FATE_NAME}"
    try:
        files = engine.fetch(container, path, limit=MAX_BYTES + TAR)
        return next((parse_account(content.read()) for _, content in files), None)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise EngineError(
            f"the supervisor's account cannot be fetched: {error}", hint="repeat the cell"
        ) from error


def _fates(told: Sequence[Fate], ended: Ended, overdue: bool, seconds: float) -> tuple[Fate, ...]:
    """The fates that the supervisor told, and what the engine knows of one that it could not tell."""
    if told and told[-1].interrupted and not overdue:
        raise EngineError(
            "the container was stopped from outside before its process ended",
            hint="repeat the cell; was the engine stopped?",
        )
    if told and (ended.status == 0 or told[-1].interrupted):
        killed = ended.oom and told[-1].signal == "SIGKILL"
        return (*told[:-1], _out_of_memory(told[-1].pid, seconds)) if killed else tuple(told)
    if ended.oom:
        return (*told, _out_of_memory(None, seconds))
    if overdue:
        note = "neither the process nor its supervisor ended; the container was killed, so there is no core"
        return (*told, Fate(pid=None, kind=OutcomeKind.HANG, seconds=seconds, notes=(note,)))
    raise EngineError(
        f"the container ended with status {ended.status} and no account of its process",
        hint="read the cell's stderr; was the container stopped from outside?",
    )


def _out_of_memory(pid: int | None, seconds: float) -> Fate:
    return Fate(pid=pid, kind=OutcomeKind.OOM, seconds=seconds, notes=("memory limit",))
