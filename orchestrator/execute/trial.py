"""One trial: one run of a cell in a fresh container, and what its parent process saw."""

import shlex
import threading
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from orchestrator.errors import EngineError
from orchestrator.execute.fate import FATE_FOLDER, FATE_NAME, Fate, parse_fate
from orchestrator.execute.streams import Streams, open_streams
from orchestrator.model import Cell, Outcome, OutcomeKind
from orchestrator.tools.engine import ContainerSpec, Ended, Engine

WORK: Final = "/work"
SUPERVISOR: Final = "/opt/crashmatrix/supervisor.py"
GRACE: Final = 75.0
"""Seconds beyond a trial's own timeout before the container is killed from outside. Within them the
supervisor has a hanging process write its core, which it allows 65 s; only where it is stuck itself is
this reached."""


@dataclass(frozen=True, kw_only=True)
class TrialRequest:
    """What to run: `folder` receives stdout and stderr; the outcome's paths are relative to `root`."""

    cell: Cell
    image: str
    driver: str
    timeout: float
    number: int
    root: Path
    folder: Path
    labels: Mapping[str, str]
    emulated: bool = False


def _command(cell: Cell, driver: str, timeout: float) -> tuple[str, ...]:
    return (
        "python3",
        SUPERVISOR,
        "--launcher",
        cell.launcher,
        "--timeout",
        f"{timeout:g}",
        "--driver",
        driver,
    )


def _axes(cell: Cell) -> dict[str, str]:
    """The cell as its process sees it: CRASHMATRIX_LAUNCHER=uwsgi, and so on, own axes too."""
    return {f"CRASHMATRIX_{axis.upper()}": value for axis, value in cell.axes.items()}


def run_trial(engine: Engine, request: TrialRequest) -> Outcome:
    """Run one trial; whatever happens, its container and volume are gone afterwards.

    Raises EngineError where it could not be seen how the process ended. That is never a verdict on
    the process, and a process that crashed is never run again in its place.
    """
    hostname = f"cm-{uuid.uuid4().hex[:12]}"
    spec = ContainerSpec(
        image=request.image,
        command=_command(request.cell, request.driver, request.timeout),
        hostname=hostname,
        platform=request.cell.arch.platform,
        labels=request.labels,
        environment=_axes(request.cell),
        work=WORK,
    )
    try:
        outcome = _watch(engine, engine.create(spec), hostname, request)
    except BaseException:
        # What ended the trial is the diagnosis; an engine that is gone cannot remove anything either.
        with suppress(EngineError):
            _remove(engine, hostname)
        raise
    _remove(engine, hostname)
    return outcome


def _remove(engine: Engine, hostname: str) -> None:
    """Remove by name: a container exists also where the engine's answer to its creation was lost."""
    engine.remove(hostname)
    engine.remove_volume(hostname)


def _watch(engine: Engine, container: str, hostname: str, request: TrialRequest) -> Outcome:
    started, clock = datetime.now(UTC), time.monotonic()
    overdue = threading.Event()
    with open_streams(request.folder) as streams:
        ended = _run_with_deadline(engine, container, streams, request.timeout + GRACE, overdue)
    seconds = time.monotonic() - clock
    fate = _fate(engine, container, ended, overdue.is_set(), seconds)
    place = request.folder.relative_to(request.root)
    return Outcome(
        kind=fate.kind,
        status=fate.status,
        signal=fate.signal,
        core_dumped=fate.core_dumped,
        pid=fate.pid,
        seconds=round(fate.seconds, 3),
        started=started.isoformat(timespec="milliseconds"),
        container=container,
        hostname=hostname,
        stdout=str(place / streams.file_name("stdout")),
        stderr=str(place / streams.file_name("stderr")),
        cut=streams.cut,
        emulated=request.emulated,
        versions=fate.versions,
        notes=fate.notes,
    )


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


def _fate(engine: Engine, container: str, ended: Ended, overdue: bool, seconds: float) -> Fate:
    """The supervisor's account; without one, what the engine knows (memory limit, deadline)."""
    try:
        files = engine.fetch(container, f"{WORK}/{FATE_FOLDER}/{FATE_NAME}")
        fate = next((parse_fate(content.read()) for _, content in files), None)
    except FileNotFoundError:
        fate = None
    if fate and fate.interrupted and not overdue:
        raise EngineError(
            "the container was stopped from outside before its process ended",
            mend="repeat the cell; was the engine stopped?",
        )
    if ended.oom and (fate is None or fate.signal == "SIGKILL"):
        pid = fate.pid if fate else None
        return Fate(schema=1, pid=pid, kind=OutcomeKind.OOM, seconds=seconds, notes=("memory limit",))
    if fate:
        return fate
    if overdue:
        note = "neither the process nor its supervisor ended; the container was killed, so there is no core"
        return Fate(schema=1, pid=None, kind=OutcomeKind.HANG, seconds=seconds, notes=(note,))
    raise EngineError(
        f"the container ended with status {ended.status} and no account of its process",
        mend="read the cell's stderr; was the container stopped from outside?",
    )


def by_hand(cell: Cell, tag: str, driver: str, timeout: float) -> str:
    """The shell command that repeats a trial without this tool, under the same restrictions."""
    tmpfs = ("--tmpfs", f"{WORK}:mode=1777", "--tmpfs", "/tmp")  # noqa: S108 - inside the container
    locked = ("--network", "none", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--read-only")
    limits = ("--memory", "1g", "--pids-limit", "512", "--ulimit", "core=-1", "--ulimit", "nofile=1024:4096")
    axes = [part for name, value in _axes(cell).items() for part in ("--env", f"{name}={value}")]
    options = ("--rm", "--init", *locked, *tmpfs, *limits, *axes, "--platform", cell.arch.platform)
    return shlex.join(["docker", "run", *options, tag, *_command(cell, driver, timeout)])
