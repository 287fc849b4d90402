"""One cell: trials until it is settled, their cores read, and the verdict on disk."""

import shlex
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from orchestrator import cores, crash, execute, verdict
from orchestrator.errors import CoreError, ToolError
from orchestrator.execute import TrialRequest
from orchestrator.model import (
    LABEL,
    Arch,
    CellResult,
    CoreFile,
    CoreState,
    Crash,
    ImageSpec,
    Judgement,
    Outcome,
    OutcomeKind,
    PlannedCell,
    Scenario,
    Trial,
)
from orchestrator.tools.cache import cache_folder
from orchestrator.tools.core import open_core
from orchestrator.tools.engine import Engine
from orchestrator.tools.files import write_atomically
from orchestrator.tools.unpack import plain_core
from orchestrator.verdict import Seen

RESULT_FILE: Final = "result.json"
CELLS: Final = "cells"
SYSROOTS: Final = "sysroots"
TEXT_LIMIT: Final = 1 << 20
"""Bytes of each stream that a message may be looked for in; the whole is on disk."""


@dataclass(frozen=True, kw_only=True)
class CellRunner:
    """Runs cells of one run; `folder` is the run's own, `host_arch` that of the engine's machine."""

    engine: Engine
    run_name: str
    folder: Path
    scenarios: dict[str, Scenario]
    specs: dict[str, ImageSpec]
    host_arch: Arch

    def run(self, planned: PlannedCell, image: str, stop: threading.Event) -> CellResult:
        """Run a cell and write its result; raises HostError where nothing could be seen."""
        started, clock = datetime.now(UTC), time.monotonic()
        seen: list[Seen] = []
        for number in range(1, planned.trials + 1):
            if seen and (stop.is_set() or verdict.is_settled(planned.expectation, seen[-1])):
                break
            seen.append(self._trial(planned, image, number))
        judgement = verdict.judge(planned.expectation, seen)
        return self._result(planned, judgement, image, seen, started=started, clock=clock)

    def unseen(self, planned: PlannedCell, why: str, image: str | None = None) -> CellResult:
        """Write the result of a cell that could not be seen: `error`, with the reason."""
        return self._result(planned, verdict.judge_error(why), image)

    def _trial(self, planned: PlannedCell, image: str, number: int) -> Seen:
        cell = planned.cell
        folder = self.folder / CELLS / cell.id / f"trial-{number}"
        request = TrialRequest(
            cell=cell,
            image=image,
            driver=self.scenarios[cell.scenario].driver,
            timeout=planned.timeout,
            number=number,
            root=self.folder,
            folder=folder,
            labels=execute.owner_labels(self.run_name, cell, number),
            emulated=cell.arch is not self.host_arch,
        )
        outcome = execute.run_trial(self.engine, request)
        core, read = self._core(request, outcome)
        trial = Trial(number=number, outcome=outcome, core=core, crash=read)
        return Seen(trial=trial, text=self._text(outcome))

    def _core(self, request: TrialRequest, outcome: Outcome) -> tuple[CoreFile, Crash | None]:
        if outcome.kind in (OutcomeKind.EXIT, OutcomeKind.OOM):
            return CoreFile(state=CoreState.NONE), None
        core = cores.collect(outcome, folder=request.folder, root=self.folder)
        if core.state is not CoreState.FOUND or core.path is None:
            return core, None
        try:
            return core, self._read(self.folder / core.path, request)
        except (CoreError, ToolError) as error:
            note = f"the core could not be read: {error}"
            return core.model_copy(update={"note": note}), None

    def _read(self, path: Path, request: TrialRequest) -> Crash:
        labels = {**request.labels, LABEL: "sysroot"}
        with plain_core(path) as plain, open_core(plain) as core:
            sysroot = cores.image_sysroot(
                self.engine, request.image, core, cache=cache_folder(SYSROOTS), labels=labels
            )
            return crash.read_crash(plain, core, sysroot)

    def _text(self, outcome: Outcome) -> str:
        return "\n".join(_head_and_tail(self.folder / path) for path in (outcome.stdout, outcome.stderr))

    def _result(
        self,
        planned: PlannedCell,
        judgement: Judgement,
        image: str | None,
        seen: Sequence[Seen] = (),
        *,
        started: datetime | None = None,
        clock: float | None = None,
    ) -> CellResult:
        cell = planned.cell
        driver = self.scenarios[cell.scenario].driver
        result = CellResult(
            run=self.run_name,
            cell=cell,
            image=planned.image,
            image_id=image,
            expectation=planned.expectation,
            judgement=judgement,
            trials=tuple(item.trial for item in seen),
            rate=verdict.rate(planned.expectation, seen),
            started=(started or datetime.now(UTC)).isoformat(timespec="milliseconds"),
            seconds=0.0 if clock is None else round(time.monotonic() - clock, 3),
            repeat=f"./nox -s matrix -- --cell {shlex.quote(cell.id)}",
            by_hand=execute.by_hand(cell, self.specs[planned.image].tag, driver, planned.timeout),
        )
        write_atomically(self.folder / CELLS / cell.id / RESULT_FILE, result.model_dump_json(indent=1))
        return result


def _head_and_tail(path: Path) -> str:
    """The text of a stream, without the middle of a very long one."""
    with path.open("rb") as stream:
        head = stream.read(TEXT_LIMIT)
        stream.seek(0, 2)
        rest = max(0, stream.tell() - len(head))
        stream.seek(-min(rest, TEXT_LIMIT), 2)
        tail = stream.read() if rest else b""
    return (head + tail).decode(errors="replace")
