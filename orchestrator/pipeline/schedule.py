"""Images and cells at once: a cell starts as soon as its image is there, and a stop drains.

A stop comes from Ctrl-C, from --fail-fast, or from an engine that went away. Cells that run then
finish and keep their results; cells that did not start have none, and are said to be not run.
"""

import threading
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from orchestrator import images
from orchestrator.adapters.engine import Engine
from orchestrator.errors import CrashmatrixError, EngineError
from orchestrator.model import LABEL_RUN, CellResult, ImageSpec, PlannedCell, Verdict
from orchestrator.pipeline.cell import CellRunner
from orchestrator.pipeline.progress import Progress

POLL: Final = 0.2
"""Seconds between looks for Ctrl-C, which Python delivers to the main thread only, and not inside a wait."""


@dataclass(kw_only=True)
class Schedule:
    """The work of one run, `jobs` images and as many cells at a time.

    After `execute`, `results` holds the cells that ended, and `stopped` says why it ended early.
    """

    engine: Engine
    runner: CellRunner
    progress: Progress
    run: str
    jobs: int
    fail_fast: bool
    results: list[CellResult] = field(default_factory=list)
    stopped: str | None = None
    _stop: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def execute(self, cells: Iterable[PlannedCell], specs: Iterable[ImageSpec], logs: Path) -> None:
        """Build what lacks and run the cells to their end, or until a stop has drained."""
        waiting: dict[str, list[PlannedCell]] = defaultdict(list)
        for cell in cells:
            waiting[cell.image].append(cell)
        needed = _with_parents(specs, waiting)
        with ThreadPoolExecutor(self.jobs, "cell") as pool, ThreadPoolExecutor(1, "images") as builder:
            futures: list[Future[Any]] = []

            def on_image(key: str, found: str | CrashmatrixError) -> None:
                cells = waiting.get(key, ())
                futures.extend(pool.submit(self._run_cell, cell, found) for cell in cells)

            building = builder.submit(
                images.build_all,
                self.engine,
                needed,
                jobs=self.jobs,
                logs=logs,
                stop=self._stop,
                on_ready=on_image,
                progress=self.progress,
            )
            self._wait([building], futures)
            building.result()
            for future in futures:
                future.result()

    def _wait(self, building: list[Future[Any]], futures: list[Future[Any]]) -> None:
        try:
            _until_done(building, futures)
        except KeyboardInterrupt:
            self._halt("interrupted by the user")
            self.progress.say("Draining: cells that run may finish. Ctrl-C again kills them.")
            try:
                _until_done(building, futures)
            except KeyboardInterrupt:
                self.engine.reap(LABEL_RUN, self.run)
                _until_done(building, futures)

    def _run_cell(self, cell: PlannedCell, image: str | CrashmatrixError) -> None:
        if self._stop.is_set():
            return
        self.progress.cell_started(cell.cell.id)
        if isinstance(image, CrashmatrixError):
            result = self.runner.unseen(cell, str(image))
        else:
            result = self._seen(cell, image)
        with self._lock:
            self.results.append(result)
        self.progress.cell_ended(result)
        if self.fail_fast and result.judgement.verdict in (Verdict.FAIL, Verdict.ERROR):
            self._halt(f"--fail-fast: {cell.cell.id} is {result.judgement.verdict}")

    def _seen(self, cell: PlannedCell, image: str) -> CellResult:
        try:
            return self.runner.run(cell, image, self._stop)
        except EngineError as error:
            if not self.engine.answers():
                self._halt(f"the container engine went away: {error.what}")
            return self.runner.unseen(cell, str(error), image)
        except (CrashmatrixError, OSError) as error:  # such as a disk that is full
            return self.runner.unseen(cell, str(error), image)

    def _halt(self, why: str) -> None:
        with self._lock:
            self.stopped = self.stopped or why
        self._stop.set()


def _until_done(building: list[Future[Any]], futures: list[Future[Any]]) -> None:
    """Wait in short steps; `futures` grows while images become ready."""
    while True:
        pending = [future for future in [*building, *futures] if not future.done()]
        if not pending:
            return
        wait(pending[:1], timeout=POLL)  # one is enough: to wait for thousands is work at every look


def _with_parents(specs: Iterable[ImageSpec], wanted: Iterable[str]) -> list[ImageSpec]:
    """The images that cells still need, and all that those are built from."""
    by_key = {spec.key: spec for spec in specs}
    keys: set[str] = set()
    stack = list(wanted)
    while stack:
        key = stack.pop()
        if key not in keys:
            keys.add(key)
            stack.extend(by_key[key].parents)
    return [spec for spec in by_key.values() if spec.key in keys]
