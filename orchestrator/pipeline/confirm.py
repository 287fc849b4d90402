"""Confirmation of hits: each is repeated in its image, reduced to a small script, and reported."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from orchestrator import check
from orchestrator.adapters.engine import Engine
from orchestrator.adapters.files import write_atomically
from orchestrator.check import Checked, CheckedCell, CheckedPackage, Group, HazardResult, Hit
from orchestrator.errors import HostError
from orchestrator.invocation import command
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


def in_project(sentence: str, project: Path) -> str:
    """A sentence of a check's explanations, whose command runs a cell of the check's own project."""
    run = ("run", "--cell")
    return sentence.replace(command(*run), command(*run, project=project))


def _where(package: CheckedPackage, cells: Sequence[CheckedCell], data: RunData, project: Path) -> str:
    """The cells of a hit, as a sentence of the run's explanations, or by name."""
    named = {cell.cell for cell in cells}
    told = [item for item in data.explanations if named & set(item.cells) and item.rules]
    best = min(told, key=lambda item: len(named ^ set(item.cells)), default=None)
    if best is not None:
        return in_project(best.sentence, project)
    environments = dict.fromkeys(cell.environment for cell in cells)
    hazards = dict.fromkeys(cell.hazard for cell in cells)
    return f"{package.name}, {', '.join(hazards)}: {', '.join(environments)}"


def _groups(package: CheckedPackage) -> list[list[CheckedCell]]:
    """The cells that crash or hang, by signature, over all hazards: one bug report each."""
    found: dict[tuple[HazardResult, str | None], list[CheckedCell]] = {}
    for cell in package.hits:
        found.setdefault((cell.result, cell.signature), []).append(cell)
    return list(found.values())


@dataclass(frozen=True, kw_only=True)
class Confirmation:
    """Repeats the hits of a run, `again` times each, and reduces the first `reduce` of them."""

    project: Project
    data: RunData
    again: int
    reduce: int
    say: Callable[[str], None]

    def hits(self, found: Checked) -> tuple[Hit, ...]:
        """Each hit, repeated in its first cell; its bug report lies in the run's folder."""
        asked = [(package, cells) for package in found.packages for cells in _groups(package)]
        if not asked:
            return ()
        engine = Engine.connect()
        try:
            return tuple(
                self._hit(engine, package, cells, reduce=number < self.reduce)
                for number, (package, cells) in enumerate(asked)
            )
        finally:
            engine.close()

    def _hit(
        self, engine: Engine, package: CheckedPackage, cells: Sequence[CheckedCell], *, reduce: bool
    ) -> Hit:
        record = self.data.by_id[cells[0].cell]
        result = record.result
        if result is None:
            raise ValueError("a cell that did not run is no hit")
        once_more = Reproducer(
            engine=engine,
            planned=record.planned,
            result=result,
            scenario=self.project.scenarios[record.cell.scenario],
        )
        trials, shown, scripts = self._once_more(once_more, cells[0], reduce=reduce)
        before, after = scripts
        hit = Hit(
            package=package.name,
            distribution=package.distribution,
            hazard=next(item for item in check.rows() if item.name == cells[0].hazard),
            crashed=cells[0].result is not HazardResult.HANGS,
            reason=cells[0].reason,
            cells=tuple(cell.cell for cell in cells),
            hazards=tuple(dict.fromkeys(cell.hazard for cell in cells)),
            where=_where(package, cells, self.data, self.project.root),
            trials=trials,
            again=shown,
            script=after,
            statements=(check.statements(before), check.statements(after)),
        )
        crash = next((one for trial in result.trials for one in trial.crashes), None)
        write_atomically(self.data.folder / BUGS / hit.file, check.bug_report(hit, result, crash))
        return hit

    def _once_more(
        self, once_more: Reproducer, cell: CheckedCell, *, reduce: bool
    ) -> tuple[int, int, tuple[str, str]]:
        """The numbers of further trials and of those that showed it, and the scripts.

        All are empty if the host fails.
        """
        wanted = (cell.result, cell.signature)
        if not self.again:
            return 0, 0, ("", "")
        self.say(f"confirming {cell.cell}")
        own = cell.hazard == Group.TESTS
        again = 1 if own else self.again
        try:
            shown = sum(what == wanted for what in once_more.again(again))
            scripts = self._scripts(once_more, wanted, shown) if shown and reduce and not own else ("", "")
        except HostError as error:
            self.say(f"not confirmed: {error}")
            return 0, 0, ("", "")
        return again, shown, scripts

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
            return once_more.first(texts, wanted, trials) if time.monotonic() < end else None

        classes = check.made(once_more.output(check.tracing(text)))
        named = check.naming(text, classes) if classes else text
        start = named if classes and still([named]) == 0 else text
        return text, check.reduced(start, still, BATCHES)


def _trials(rate: float) -> int:
    """The trials after which a script with the same rate is missed once in a hundred, within limits."""
    return 1 if rate == 1 else min(MOST_TRIALS, math.ceil(math.log(0.01) / math.log(1 - rate)))
