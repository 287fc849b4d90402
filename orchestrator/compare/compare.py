"""Two runs, cell by cell: what changed, what did not, and what cannot be compared, with the reason.

A change is told only where both runs asked the same question and saw an answer. Another image or
another patch release is no reason to keep silent (a fix is another image): it is named beside the change.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from orchestrator.compare import words
from orchestrator.model import (
    CellResult,
    Change,
    ChangeKind,
    Comparison,
    Expectation,
    NotComparable,
    Plan,
    PlannedCell,
    Side,
    Verdict,
)

NAMED: Final = 20
"""Cells that are named under one reason why they cannot be compared."""
REASONING: Final = frozenset({"because", "source", "where"})
"""What an expectation says beside what should be seen."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run's plan and results."""

    plan: Plan
    results: Sequence[CellResult]

    @cached_property
    def planned(self) -> Mapping[str, PlannedCell]:
        """Planned cells by id."""
        return {item.cell.id: item for item in self.plan.cells}

    @cached_property
    def seen(self) -> Mapping[str, CellResult]:
        """Results by cell id."""
        return {result.cell.id: result for result in self.results}

    @cached_property
    def excluded(self) -> Mapping[str, str]:
        """Reasons by the id of an excluded cell."""
        return {item.cell.id: item.reason for item in self.plan.each_excluded()}


def compare(before: Run, after: Run) -> Comparison:
    """Compare a run with a baseline."""
    changes: list[Change] = []
    apart: dict[str, list[str]] = {}
    compared = 0
    for cell in dict.fromkeys((*after.planned, *before.planned)):
        why = _incomparable(before, after, cell)
        if why is not None:
            apart.setdefault(why, []).append(cell)
            continue
        compared += 1
        change = _change(cell, before, after)
        if change is not None:
            changes.append(change)
    order = list(ChangeKind)
    made = Comparison(
        baseline=before.plan.run,
        baseline_created=before.plan.created,
        run=after.plan.run,
        run_created=after.plan.created,
        compared=compared,
        changes=tuple(sorted(changes, key=lambda change: order.index(change.kind))),
        not_comparable=tuple(
            NotComparable(reason=reason, count=len(cells), cells=tuple(cells[:NAMED]))
            for reason, cells in apart.items()
        ),
        sentence="",
    )
    return made.model_copy(update={"sentence": words.comparison(made)})


def _incomparable(before: Run, after: Run, cell: str) -> str | None:
    """Why a cell of one of the plans cannot be compared, if it cannot."""
    for run, place in ((before, "the baseline"), (after, "this run")):
        if cell not in run.planned:
            excluded = run.excluded.get(cell)
            return f"excluded in {place}: {excluded}" if excluded else f"not in {place}"
        result = run.seen.get(cell)
        if result is None:
            return f"not run in {place}"
        if result.judgement.verdict not in (Verdict.PASS, Verdict.FAIL):
            return f"{result.judgement.verdict} in {place}"
    if _question(before.planned[cell].expectation) != _question(after.planned[cell].expectation):
        then, now = (run.seen[cell].judgement.verdict for run in (before, after))
        # That a cell fails since it is asked for something else is no change, and yet what readers want.
        return "another expectation" + (f" ({then} there, {now} here)" if then is not now else "")
    return None


def _question(expectation: Expectation) -> Mapping[str, object]:
    return expectation.model_dump(exclude=set(REASONING))


def _change(cell: str, before: Run, after: Run) -> Change | None:
    then, now = _side(before.seen[cell]), _side(after.seen[cell])
    kind = _kind(then, now)
    if kind is None:
        return None
    return Change(
        cell=cell,
        kind=kind,
        before=then,
        after=now,
        sentence=words.change(kind, then, now),
        differences=tuple(_differences(cell, before, after)),
    )


def _side(result: CellResult) -> Side:
    crashes = (trial.crash.signature for trial in result.trials if trial.crash)
    return Side(
        verdict=result.judgement.verdict,
        outcomes=tuple(sorted({trial.ended for trial in result.trials})),
        signatures=tuple(sorted(set(crashes))),
        rate=result.rate,
    )


def _kind(then: Side, now: Side) -> ChangeKind | None:
    """The worst change; of a race, that only some of several signatures or outcomes came is none."""
    if then.verdict is not now.verdict:
        return ChangeKind.NEW if now.verdict is Verdict.FAIL else ChangeKind.FIXED
    if then.signatures and now.signatures and not {*then.signatures} & {*now.signatures}:
        return ChangeKind.SIGNATURE
    if then.outcomes and now.outcomes and not {*then.outcomes} & {*now.outcomes}:
        return ChangeKind.OUTCOME
    if then.rate and now.rate and then.rate.event == now.rate.event and now.rate.parts_from(then.rate):
        return ChangeKind.RATE
    return None


def _differences(cell: str, before: Run, after: Run) -> Iterator[str]:
    """What else is not the same, and so may be the cause."""
    then, now = _versions(before.seen[cell]), _versions(after.seen[cell])
    for name in sorted(then.keys() & now.keys()):
        if then[name] != now[name]:
            yield f"{name} {then[name]} became {now[name]}"
    if before.planned[cell].image != after.planned[cell].image:
        yield "another image"
    if before.plan.engine != after.plan.engine:
        yield f"engine {before.plan.engine} became {after.plan.engine}"


def _versions(result: CellResult) -> Mapping[str, str]:
    return result.trials[-1].outcome.versions if result.trials else {}
