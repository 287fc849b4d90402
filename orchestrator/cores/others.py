"""Crashes of a container's processes besides the judged ones, with their cores.

The journal is asked once for all cores of a container, so a process is found of which the supervisor knows
nothing: one whose parent, itself a child of the judged process, waited for it and went on.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from orchestrator.adapters.collector import STORING, is_collecting
from orchestrator.cores.collection import (
    DEADLINE,
    FIRST_PAUSE,
    LONGEST_PAUSE,
    PATTERN,
    is_emulator,
    is_systemd_coredump,
    keep_core,
    may_dump,
    why_not_stored,
)
from orchestrator.cores.journal import HINT, StoredCore, find_cores, find_skipped
from orchestrator.errors import ToolError
from orchestrator.model import (
    CHILD,
    CoreFile,
    CoreState,
    OtherCrash,
    OtherProcess,
    Outcome,
    OutcomeKind,
    UserTests,
)

SHOWN: Final = 3
MOST: Final = 16
"""The most cores of other processes that are collected of a trial; each may have many megabytes."""


@dataclass(frozen=True, kw_only=True)
class Others:
    """Crashes of other processes of one trial, in the order of their reports.

    `left_out` further ones were not collected. `note` says why some may not be known.
    """

    crashes: tuple[OtherCrash, ...] = ()
    left_out: int = 0
    note: str | None = None
    disagreement: str | None = None
    """The contradiction between the supervisor and the journal about a process."""
    own: CoreFile | None = None
    """The core of the judged process where its reported end is none that leaves one."""


def collect_others(
    outcomes: Sequence[Outcome],
    *,
    folders: Sequence[Path],
    root: Path,
    deadline: float = DEADLINE,
    pattern: Path = PATTERN,
) -> tuple[Others, ...]:
    """The crashes of other processes of a container's trials, given in their order, each with its folder.

    Paths of cores are relative to `root`. Costs two queries of the journal where the supervisor saw no other
    process crash; else waits up to `deadline` seconds for the cores that it reported. Never raises for a core
    that cannot be had.
    """
    handler = pattern.read_text().strip()
    if not is_systemd_coredump(handler):
        why = f"kernel.core_pattern is {handler!r}, not systemd-coredump; {HINT}"
        return tuple(_unseen(outcome, why) for outcome in outcomes)
    try:
        cores, note = _wait(outcomes, deadline), _skipped(outcomes)
    except ToolError as error:
        return tuple(_unseen(outcome, str(error)) for outcome in outcomes)
    mine: list[list[StoredCore]] = [[] for _ in outcomes]
    for core in cores:
        mine[_trial_of(core, outcomes)].append(core)
    return tuple(
        _of_trial(outcome, found, folder, root, note)
        for outcome, found, folder in zip(outcomes, mine, folders, strict=True)
    )


def crashes_in(hostname: str, container: str) -> str:
    """The crashes of a container of whose processes nothing else is known, in words; empty without one."""
    try:
        found = [core for core in find_cores(hostname) if core.cgroup is None or container in core.cgroup]
    except ToolError:
        return ""
    named = [f"of {core.comm} ({core.signal or 'a signal'})" for core in found[:SHOWN]]
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return f"the journal has a core {', '.join(named)}{more}" if named else ""


def _wait(outcomes: Sequence[Outcome], deadline: float) -> list[StoredCore]:
    """All cores of the container, once those are there that the processes' parents know of."""
    dumped = {other.pid for outcome in outcomes for other in outcome.others if other.core_dumped}
    began, pause = time.monotonic(), FIRST_PAUSE
    hostname, container = outcomes[0].hostname, outcomes[0].container
    while True:
        found = find_cores(hostname)
        own = [core for core in found if core.cgroup is None or container in core.cgroup]
        waited = time.monotonic() - began
        late = waited >= deadline and not (dumped and waited < STORING and is_collecting())
        if dumped <= {core.pid for core in own} or late:
            return own
        time.sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE)


def _skipped(outcomes: Sequence[Outcome]) -> str | None:
    """A note where the kernel skipped cores meanwhile of which one may be of a process that nobody knows.

    The kernel has the pid of the process's own namespace, so that it may be one of another container.
    """
    known = {process.pid for outcome in outcomes for process in (*outcome.others, _itself(outcome))}
    skipped = find_skipped(datetime.fromisoformat(outcomes[0].started))
    unknown = [core for core in skipped if core.pid not in known]
    if not unknown:
        return None
    more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
    return (
        "whether another process crashed is not known: meanwhile more processes of this host crashed than "
        f"kernel.core_pipe_limit, and the kernel skipped the core of {unknown[0].comm}{more}"
    )


def _trial_of(core: StoredCore, outcomes: Sequence[Outcome]) -> int:
    """The position of the trial whose core this is: trials run one after the other, and pids ascend."""
    for index, outcome in enumerate(outcomes):
        if core.pid in (outcome.pid, *(other.pid for other in outcome.others)):
            return index
    starts = [item.pid or 0 for item in outcomes]
    return max((index for index, pid in enumerate(starts) if pid <= (core.pid or 0)), default=0)


def _of_trial(
    outcome: Outcome, cores: Sequence[StoredCore], folder: Path, root: Path, note: str | None
) -> Others:
    found = list(_crashed(outcome, [core for core in cores if not _is_judged(core, outcome)]))
    crashes = tuple(
        OtherCrash(process=process, core=_core(process, core, folder / f"core-{number}", root))
        for number, (process, core) in enumerate(found[:MOST], start=1)
    )
    own = next((core for core in cores if core.pid == outcome.pid and not may_dump(outcome)), None)
    return Others(
        crashes=crashes,
        left_out=max(0, len(found) - MOST),
        note=note,
        disagreement=next(_disagreements(outcome, cores), None),
        own=_core(_itself(outcome), own, folder / "core", root) if own and own.pid else None,
    )


def _disagreements(outcome: Outcome, cores: Sequence[StoredCore]) -> Iterator[str]:
    """The processes of which the supervisor and the journal report different ends.

    The supervisor has the end of a server's worker from its master, which is the program under test.
    """
    reported = {process.pid: process for process in (*outcome.others, _itself(outcome)) if process.pid}
    for core in cores:
        process = reported.get(core.pid) if core.pid else None
        if process and core.signal and process.signal != core.signal:
            status = f"exit {process.status}" if process.kind is OutcomeKind.EXIT else process.kind
            yield (
                f"the supervisor reports {process.signal or status} of process {core.pid}, "
                f"and the journal has its core, of {core.signal}"
            )


def _itself(outcome: Outcome) -> OtherProcess:
    """The judged process, described as the others are."""
    return OtherProcess(
        pid=outcome.pid, role="judged", kind=outcome.kind, status=outcome.status, signal=outcome.signal
    )


def _is_judged(core: StoredCore, outcome: Outcome) -> bool:
    """Whether a core is the judged process's. One without a pid counts as its own if it dumped one."""
    return outcome.core_dumped if core.pid is None else core.pid == outcome.pid


def _crashed(
    outcome: Outcome, cores: Sequence[StoredCore]
) -> Iterator[tuple[OtherProcess, StoredCore | None]]:
    """Each process that crashed, with its core: in the journal's order, then those without a core."""
    reported = {other.pid: other for other in outcome.others}
    for core in cores:
        process = reported.pop(core.pid, None) or _unknown(core, outcome.tests)
        yield process.model_copy(update={"name": core.comm}), core
    yield from ((other, None) for other in reported.values() if other.crashed)


def _unknown(core: StoredCore, tests: UserTests | None) -> OtherProcess:
    """A process of which the supervisor does not know: a worker of pytest-xdist by its pid, else a child.

    Of a child it is told which test ran when it crashed, if only one did.
    """
    mine = tests.crashed_in(core.pid) if tests else None
    there = tests.running_at(core.time) if tests and core.time is not None else None
    case = mine or there
    return OtherProcess(
        pid=core.pid,
        role=f"worker {mine.worker}" if mine and mine.worker else CHILD,
        doing=case.node if case else None,
        kind=OutcomeKind.SIGNAL,
        signal=core.signal,
        core_dumped=True,
    )


def _core(process: OtherProcess, core: StoredCore | None, target: Path, root: Path) -> CoreFile:
    """The core of a process, copied to `target` with the suffix of its compression."""
    if core is not None and is_emulator(core):
        return _lost(process, "the kernel's core is qemu-user's own; the guest's is collected of one process")
    if core is None or core.filename is None:
        return _lost(process, why_not_stored(core) if core else "systemd-coredump reported none")
    try:
        return keep_core(core, target, root)
    except ToolError as error:
        return _lost(process, str(error))


def _lost(process: OtherProcess, why: str) -> CoreFile:
    return CoreFile(state=CoreState.LOST, signal=process.signal, note=why)


def _unseen(outcome: Outcome, why: str) -> Others:
    """What the supervisor reported alone, where the journal could not be asked."""
    crashed = [other for other in outcome.others if other.crashed]
    crashes = tuple(OtherCrash(process=other, core=_lost(other, why)) for other in crashed[:MOST])
    note = f"whether another process crashed is not known: {why}"
    return Others(crashes=crashes, left_out=max(0, len(crashed) - MOST), note=note)
