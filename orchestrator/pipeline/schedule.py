"""Runs builds and cells in parallel: a cell starts as soon as its image exists, and a stop drains.

A stop comes from Ctrl-C, from --fail-fast, from a deadline, or from an engine that is gone. Running cells
then finish and keep their results; cells that did not start have none and are reported as not run.
"""

import heapq
import itertools
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from orchestrator.errors import CrashmatrixError, EngineError, EngineGoneError, NotStartedError
from orchestrator.model import CellResult, ImageSpec, PlannedCell, Verdict
from orchestrator.pipeline.progress import Progress

POLL: Final = 0.2
"""Seconds between checks for Ctrl-C, which Python delivers to the main thread only, and not during a wait."""

DRAIN: Final = 300
"""Seconds that running cells have at a deadline to finish; then they are killed, as by a second Ctrl-C."""
LOOKS: Final = 5
"""How often, a POLL apart, a failed engine is checked for an answer."""
ATTEMPTS: Final = 3
"""Attempts at a cell whose engine goes away each time."""

OnReady = Callable[[str, str | CrashmatrixError], None]
"""Called with an image's key, and with its id or the reason why there is none."""
Build = Callable[[list[ImageSpec], OnReady], object]
"""Builds the missing images until all are built or the run is stopped, and calls back for each."""


@dataclass(frozen=True, kw_only=True)
class Deadline:
    """The time at which a run drains by itself, on the clock that measures it."""

    words: str
    """As the user gave it."""
    at: float
    """Seconds on that clock."""
    clock: Callable[[], float] = time.monotonic

    @property
    def is_over(self) -> bool:
        """Whether no further cell is started."""
        return self.clock() >= self.at

    @property
    def is_drained(self) -> bool:
        """Whether running cells had their time to finish."""
        return self.clock() >= self.at + DRAIN


class Runner(Protocol):
    """Runs cells, somewhere. Its methods are called from several threads."""

    def run(self, planned: PlannedCell, image: str) -> CellResult:
        """Run a cell on the image of this id to its verdict.

        Raises EngineError or another CrashmatrixError if nothing could be observed, OSError for a full disk.
        """

    def groups(self, cells: Iterable[PlannedCell]) -> Iterable[Sequence[PlannedCell]]:
        """The cells of one image, those together that share a container."""

    def run_together(self, cells: Sequence[PlannedCell], image: str) -> Sequence[CellResult]:
        """Run cells in one container until one must be examined; the results of the first ones.

        Raises as `run` does.
        """

    def unobserved(self, planned: PlannedCell, why: Exception, image: str | None = None) -> CellResult:
        """The result of a cell that could not be observed: `error`, with the error that was the reason."""

    def kill(self) -> None:
        """End the cells that run now."""

    def answers(self) -> bool:
        """Whether more cells can be run at all."""

    def returns(self, say: Callable[[str], None]) -> bool:
        """Whether more cells can be run again, after a bounded wait."""


@dataclass(kw_only=True)
class Schedule:
    """The work of one run, `jobs` cells at a time. `stop` also stops the runner and the builds.

    After `execute`, `stopped` is the reason for which it ended early, if it did.
    """

    runner: Runner
    build: Build
    progress: Progress
    jobs: int
    fail_fast: bool
    stop: threading.Event
    deadline: Deadline | None = None
    stopped: str | None = None
    killed: bool = False
    """Whether cells that still ran were ended."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def execute(self, cells: Iterable[PlannedCell], specs: Iterable[ImageSpec]) -> None:
        """Build missing images and run the cells to their end, or until a stop has drained."""
        waiting: dict[str, list[PlannedCell]] = defaultdict(list)
        for cell in cells:
            waiting[cell.image].append(cell)
        needed = _with_parents(specs, waiting)
        with ThreadPoolExecutor(self.jobs, "cell") as pool, ThreadPoolExecutor(1, "images") as builder:
            futures: list[Future[Any]] = []
            ready = _Ready()

            def on_ready(key: str, found: str | CrashmatrixError) -> None:
                groups = [(group, found) for group in self.runner.groups(waiting.get(key, ()))]
                ready.add(groups)
                futures.extend(pool.submit(self._run_longest, ready) for _ in groups)

            building = builder.submit(self.build, needed, on_ready)
            self._wait([building], futures)
            building.result()
            for future in futures:
                future.result()

    def _wait(self, building: list[Future[Any]], futures: list[Future[Any]]) -> None:
        try:
            _until_done(building, futures, self._mind_deadline)
        except KeyboardInterrupt:
            self._halt("interrupted by the user")
            self.progress.say("Draining: cells that run may finish. Ctrl-C again kills them.")
            try:
                _until_done(building, futures, self._mind_deadline)
            except KeyboardInterrupt:
                self.runner.kill()
                _until_done(building, futures)

    def _mind_deadline(self) -> None:
        """Drain at the deadline; end what still runs a while after it."""
        if self.deadline is None or not self.deadline.is_over:
            return
        if self._halt(f"--deadline {self.deadline.words} is over"):
            self.progress.say(f"The deadline is over: cells that run have {DRAIN} s to finish.")
        if self.deadline.is_drained and not self.killed:
            self.killed = True
            self.runner.kill()

    def _run_longest(self, ready: "_Ready") -> None:
        self.run_group(*ready.take())

    def run_group(self, cells: Sequence[PlannedCell], image: str | CrashmatrixError) -> None:
        """Run cells that share a container; from one that must be examined on, the others in another."""
        left = list(cells)
        while len(left) > 1 and isinstance(image, str) and not self._is_over():
            self.progress.cell_started(left[0].cell.id)
            try:
                results = self.runner.run_together(left, image)
            except (CrashmatrixError, OSError):
                break  # each alone: a failed one is then identified and retried
            for result in results:
                self._ended(result)
            left = left[len(results) :]
        for cell in left:
            self._run_cell(cell, image)

    def _run_cell(self, cell: PlannedCell, image: str | CrashmatrixError) -> None:
        if self._is_over():
            return
        self.progress.cell_started(cell.cell.id)
        if isinstance(image, CrashmatrixError):
            result: CellResult | None = self.runner.unobserved(cell, image)
        else:
            result = self._result(cell, image)
        if result:
            self._ended(result)

    def _ended(self, result: CellResult) -> None:
        self.progress.cell_ended(result)
        if self.fail_fast and result.judgement.verdict in (Verdict.FAIL, Verdict.ERROR):
            self._halt(f"--fail-fast: {result.cell.id} is {result.judgement.verdict}")

    def _result(self, cell: PlannedCell, image: str) -> CellResult | None:
        """The result of a cell, which runs again if the engine went away meanwhile and came back.

        None where the run was stopped before it began.
        """
        failed: Exception = EngineError("the container engine went away", hint="run the cell again")
        for _ in range(ATTEMPTS):
            try:
                return self.runner.run(cell, image)
            except NotStartedError:
                return None
            except EngineError as error:
                failed = error
                if not isinstance(error, EngineGoneError) and not self._went_away():
                    break
                if not self.runner.returns(self.progress.say):
                    self._halt(f"the container engine went away: {error.what}")
                    break
            except (CrashmatrixError, OSError) as error:
                failed = error
                break
        return self.runner.unobserved(cell, failed, image)

    def _went_away(self) -> bool:
        """Whether the engine is gone or ending: one that stops ends its containers first."""
        for _ in range(LOOKS):
            if not self.runner.answers():
                return True
            if self.stop.wait(POLL):
                break
        return False

    def _is_over(self) -> bool:
        self._mind_deadline()
        return self.stop.is_set()

    def _halt(self, why: str) -> bool:
        """Start no further cell; returns whether this is the first reason."""
        with self._lock:
            first, self.stopped = self.stopped is None, self.stopped or why
        self.stop.set()
        return first


_Group = tuple[Sequence[PlannedCell], str | CrashmatrixError]
"""Cells that share a container, and their image or the reason why there is none."""


class _Ready:
    """The cells whose image is there: those that may take longest first, or a run ends with them alone."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._added = itertools.count()
        self._heap: list[tuple[float, int, _Group]] = []

    def add(self, groups: Iterable[_Group]) -> None:
        """Add groups; those that may take equally long are taken in this order."""
        with self._lock:
            for group in groups:
                longest = sum(cell.trials * cell.timeout for cell in group[0])
                heapq.heappush(self._heap, (-longest, next(self._added), group))

    def take(self) -> _Group:
        """The group that may take longest; as many may be taken as were added."""
        with self._lock:
            return heapq.heappop(self._heap)[2]


def _nothing() -> None:
    pass


def _until_done(
    building: list[Future[Any]], futures: list[Future[Any]], meanwhile: Callable[[], None] = _nothing
) -> None:
    """Wait in short steps; `futures` grows while images become ready."""
    while True:
        meanwhile()
        pending = [future for future in [*building, *futures] if not future.done()]
        if not pending:
            return
        wait(pending[:1], timeout=POLL)  # one is enough: registering thousands of futures per poll is slow


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
