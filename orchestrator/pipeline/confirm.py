"""Confirmation of hits: each is repeated in its image, reduced to a small script, and reported."""

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Final

from orchestrator import check, execute
from orchestrator.adapters.engine import Engine
from orchestrator.adapters.files import write_atomically
from orchestrator.check import Group, Hit
from orchestrator.errors import HostError
from orchestrator.model import Checked, CheckedCell, CheckedPackage, HazardResult
from orchestrator.pipeline.projects import Project
from orchestrator.pipeline.reproduce import Reproducer
from orchestrator.rundir import RunData

BUGS: Final = "bugs"
"""The folder of a run with a bug report for each hit."""
LONGEST: Final = 180.0
"""Seconds after which a reduction starts no more containers: scripts that hang take their time."""
MOST_TRIALS: Final = 10
"""The most trials of each script that is tried while a hit is reduced."""
BATCHES: Final = 25
"""The most containers in which scripts are tried while a hit is reduced: about a second each."""


def _where(package: CheckedPackage, cells: Sequence[CheckedCell], data: RunData) -> str:
    """The cells of a hit, as a sentence of the run's explanations, or by name."""
    named = {cell.cell for cell in cells}
    told = [item for item in data.explanations if named & set(item.cells) and item.rules]
    best = min(told, key=lambda item: len(named ^ set(item.cells)), default=None)
    if best is not None:
        return best.sentence
    environments = dict.fromkeys(cell.environment for cell in cells)
    hazards = dict.fromkeys(cell.hazard for cell in cells)
    return f"{package.name}, {', '.join(hazards)}: {', '.join(environments)}"


def _groups(package: CheckedPackage) -> list[list[CheckedCell]]:
    """The cells that crash or hang, by signature, over all hazards: one bug report each."""
    found: dict[tuple[HazardResult, str | None], list[CheckedCell]] = {}
    for cell in package.hits:
        found.setdefault((cell.result, cell.signature), []).append(cell)
    return list(found.values())


def first_hits(found: Checked, data: RunData) -> tuple[Hit, ...]:
    """The crashes and hangs of a run, one for each signature of a package, before any is repeated."""
    return tuple(
        Hit(
            package=package.name,
            distribution=package.distribution,
            hazard=next(item for item in check.rows() if item.name == cells[0].hazard),
            result=cells[0].result,
            signature=cells[0].signature,
            reason=cells[0].reason,
            cells=tuple(cell.cell for cell in cells),
            hazards=tuple(dict.fromkeys(cell.hazard for cell in cells)),
            where=_where(package, cells, data),
        )
        for package in found.packages
        for cells in _groups(package)
    )


@dataclass(frozen=True, kw_only=True)
class Confirmation:
    """Repeats the hits of a run, `again` times each, `jobs` at a time, and reduces the first `reduce`."""

    project: Project
    data: RunData
    again: int
    reduce: int
    jobs: int
    say: Callable[[str], None]
    stop: threading.Event = field(default_factory=threading.Event)

    def confirmed(self, hits: Sequence[Hit], show: Callable[[Hit], None]) -> tuple[Hit, ...]:
        """Each hit, repeated in its first cell and shown once it is; its bug report lies in the run's folder.

        An interrupt by the user ends this: hits that were not repeated by then are as the battery found them.
        """
        if not hits:
            return ()
        engine = Engine.connect()
        try:
            with ThreadPoolExecutor(self.jobs, "hit") as pool:
                return tuple(self._each(engine, pool, hits, show))
        finally:
            engine.close()

    def _each(
        self, engine: Engine, pool: Executor, hits: Sequence[Hit], show: Callable[[Hit], None]
    ) -> Iterator[Hit]:
        """The hits in their order."""
        futures = [
            pool.submit(self._hit, engine, hit, reduce=number < self.reduce)
            for number, hit in enumerate(hits)
        ]
        for future in futures:
            hit = self._ended(engine, future)
            show(hit)
            yield hit

    def _ended(self, engine: Engine, future: Future[Hit]) -> Hit:
        """A hit at its end, which an interrupt hastens."""
        try:
            return future.result()
        except KeyboardInterrupt:
            self.say("Interrupted: hits that are not confirmed yet stay as they were found.")
            self.stop.set()
            execute.remove_own(engine)
            return future.result()

    def _hit(self, engine: Engine, hit: Hit, *, reduce: bool) -> Hit:
        record = self.data.by_id[hit.cells[0]]
        result = record.result
        if result is None:
            raise ValueError("a cell that did not run is no hit")
        once_more = Reproducer(
            engine=engine,
            planned=record.planned,
            result=result,
            scenario=self.project.scenarios[record.cell.scenario],
        )
        hit = self._once_more(once_more, hit, reduce=reduce)
        crash = next((one for trial in result.trials for one in trial.crashes), None)
        write_atomically(self.data.folder / BUGS / hit.file, check.bug_report(hit, result, crash))
        return hit

    def _once_more(self, once_more: Reproducer, hit: Hit, *, reduce: bool) -> Hit:
        """The hit with its further trials and its scripts; as it is if the host fails, or after a stop."""
        if not self.again or self.stop.is_set():
            return hit
        own = hit.hazard.name == Group.TESTS
        again = 1 if own else self.again
        try:
            shown = sum(what == hit.shown for what in once_more.again(again))
            before, after = ("", "")
            if shown and reduce and not own:
                before, after = self._scripts(once_more, hit.shown, shown)
        except HostError as error:
            if not self.stop.is_set():
                self.say(f"not confirmed: {hit.cells[0]}: {error}")
            return hit
        sizes = (check.statements(before), check.statements(after))
        return replace(hit, trials=again, again=shown, script=after, statements=sizes)

    def _scripts(
        self, once_more: Reproducer, wanted: tuple[HazardResult, str | None], shown: int
    ) -> tuple[str, str]:
        """The script of a hit, and the smallest found that still shows it."""
        text = once_more.script()
        if not text:
            return "", ""
        trials = _trials(shown / self.again)

        end = time.monotonic() + LONGEST

        def still(texts: Sequence[str]) -> int | None:
            return once_more.first(texts, wanted, trials) if self._goes_on(end) else None

        classes = check.made(once_more.output(check.tracing(text)))
        named = check.naming(text, classes) if classes else text
        start = named if classes and still([named]) == 0 else text
        return text, check.reduced(start, still, BATCHES)

    def _goes_on(self, end: float) -> bool:
        return time.monotonic() < end and not self.stop.is_set()


def _trials(rate: float) -> int:
    """The trials after which a script with the same rate is missed once in a hundred, within limits."""
    return 1 if rate == 1 else min(MOST_TRIALS, math.ceil(math.log(0.01) / math.log(1 - rate)))
