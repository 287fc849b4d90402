"""How the processes of a container ended: what its supervisor reported, and what the engine knows besides."""

import posixpath
from collections.abc import Sequence
from typing import Final

from orchestrator.adapters.engine import Ended, Engine
from orchestrator.errors import EngineError
from orchestrator.execute.supervisor_report import (
    MAX_BYTES,
    ProcessExit,
    SupervisorReport,
    parse_report,
)
from orchestrator.model import DISK_FULL, OutcomeKind
from orchestrator.supervisor.paths import REPORT

TAR: Final = 1 << 16
"""Bytes by which an archive may exceed the one small file in it."""


def read_report(engine: Engine, container: str, volume: str) -> SupervisorReport | None:
    """The supervisor's report, on a volume of this name; None if it wrote none.

    Raises EngineError if the supervisor failed, with its reason.
    """
    try:
        raw = engine.read_kept(volume, posixpath.basename(REPORT), MAX_BYTES)
        if raw is None:
            files = engine.fetch(container, REPORT, limit=MAX_BYTES + TAR)
            raw = next((content.read() for _, content in files), None)
        report = None if raw is None else parse_report(raw)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise EngineError(
            f"the supervisor's report cannot be fetched: {error}", hint="repeat the cell"
        ) from error
    if report and report.failure:
        raise EngineError(
            f"the supervisor failed: {report.failure}", hint="read the cell's stderr, and repeat the cell"
        )
    return report


def exits_of(
    reported: Sequence[ProcessExit], ended: Ended, overdue: bool, seconds: float
) -> tuple[ProcessExit, ...]:
    """The exits that the supervisor reported, and the engine's knowledge of one that it could not report."""
    if reported and reported[-1].interrupted and not overdue:
        raise EngineError(
            "the container was stopped from outside before its process ended",
            hint="repeat the cell; was the engine stopped?",
        )
    if reported and (ended.status == 0 or reported[-1].interrupted):
        killed = ended.oom and reported[-1].signal == "SIGKILL"
        return (*reported[:-1], _out_of_memory(reported[-1].pid, seconds)) if killed else tuple(reported)
    if ended.oom:
        return (*reported, _out_of_memory(None, seconds))
    if overdue:
        note = "neither the process nor its supervisor ended; the container was killed, so there is no core"
        return (*reported, ProcessExit(pid=None, kind=OutcomeKind.HANG, seconds=seconds, notes=(note,)))
    full = f"; {DISK_FULL}" if ended.disk_full else ""
    raise EngineError(
        f"the container ended with status {ended.status} and no report of its process{full}",
        hint="read the cell's stderr; was the container stopped from outside?",
    )


def _out_of_memory(pid: int | None, seconds: float) -> ProcessExit:
    return ProcessExit(pid=pid, kind=OutcomeKind.OOM, seconds=seconds)
