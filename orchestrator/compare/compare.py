"""Two runs, cell by cell: what changed, what did not, and what cannot be compared, with the reason.

A change is stated only where both runs have the same expectation and a verdict. Another image or another
patch release does not prevent a comparison (a fix is another image): it is named beside the change.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    Side,
    Verdict,
)
from orchestrator.rundir import RunData, Status

UNKNOWN: Final = "no earlier run saw it"
NAMED: Final = 20
"""Cells that are named under one reason why they cannot be compared."""
REASONING: Final = frozenset({"because", "source", "where"})
"""The fields of an expectation that do not affect its verdict."""
JUDGED: Final = frozenset({Status.PASS, Status.FAIL})


@dataclass(frozen=True, kw_only=True)
class _Pair:
    """A baseline and the run that is compared with it."""

    before: RunData
    after: RunData

    @cached_property
    def _excluded_before(self) -> Mapping[str, str]:
        return _reasons(self.before)

    @cached_property
    def _excluded_after(self) -> Mapping[str, str]:
        return _reasons(self.after)

    def incomparable(self, cell: str) -> str | None:
        """Why a cell of one of the plans cannot be compared; None where it can."""
        then, now = self.before.by_id.get(cell), self.after.by_id.get(cell)
        if then is None:
            return _missing(self._excluded_before.get(cell), "the baseline")
        if then.status not in JUDGED:
            return f"{then.status} in the baseline"
        if now is None:
            return _missing(self._excluded_after.get(cell), "this run")
        unseen = now.status is Status.ERROR and then.status is Status.PASS
        if now.status not in JUDGED and not unseen:
            return f"{now.status} in this run"
        if not _same_question(then.planned.expectation, now.planned.expectation):
            # A verdict on another expectation is no change, but readers want to know of it.
            turned = f" ({then.status} there, {now.status} here)" if then.status is not now.status else ""
            return f"another expectation{turned}"
        return None

    def change(self, cell: str) -> Change | None:
        """The change of a comparable cell; None if there is none."""
        before, after = self.before.by_id[cell].result, self.after.by_id[cell].result
        if before is None or after is None:
            return None
        then, now = _side(before), _side(after)
        kind = _kind(then, now)
        if kind is None:
            return None
        return Change(
            cell=cell,
            kind=kind,
            before=then,
            after=now,
            sentence=words.change(kind, then, now),
            differences=tuple(self._differences(before, after)),
        )

    def _differences(self, before: CellResult, after: CellResult) -> Iterator[str]:
        """Other differences, which may be the cause."""
        then, now = _versions(before), _versions(after)
        for name in sorted(then.keys() & now.keys()):
            if then[name] != now[name]:
                yield f"{name} {then[name]} became {now[name]}"
        planned = (run.by_id[before.cell.id].planned.image for run in (self.before, self.after))
        if len(set(planned)) > 1:
            yield "another image"
        engines = self.before.plan.engine, self.after.plan.engine
        if engines[0] != engines[1]:
            yield f"engine {engines[0]} became {engines[1]}"


def compare(before: RunData, after: RunData) -> Comparison:
    """Compare a run with a baseline."""
    return _compared([(before, dict.fromkeys((*after.by_id, *before.by_id)))], after)


def compare_newest(before: Sequence[tuple[RunData, Iterable[str]]], after: RunData) -> Comparison:
    """Compare a run with earlier ones, newest first, each with the cells that no newer run saw.

    Cells of the run that are with none of them are not comparable.
    """
    return _compared(before, after)


def _compared(before: Sequence[tuple[RunData, Iterable[str]]], after: RunData) -> Comparison:
    changes: list[Change] = []
    apart: dict[str, list[str]] = {}
    left = dict.fromkeys(after.by_id)
    compared = 0
    newest = before[0][0]
    for earlier, cells in before:
        pair = _Pair(before=earlier, after=after)
        for cell in cells:
            left.pop(cell, None)
            why = pair.incomparable(cell)
            if why is not None:
                apart.setdefault(why, []).append(cell)
                continue
            compared += 1
            change = pair.change(cell)
            if change is not None:
                other = None if earlier is newest else earlier.plan.run
                changes.append(change.model_copy(update={"baseline": other}))
    if left:
        apart[UNKNOWN] = list(left)
    order = list(ChangeKind)
    made = Comparison(
        baseline=newest.plan.run,
        baseline_created=newest.plan.created,
        older=tuple(earlier.plan.run for earlier, _ in before[1:]),
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


def _reasons(run: RunData) -> Mapping[str, str]:
    """Why each excluded cell is excluded, by its id."""
    return {item.cell.id: item.reason for item in run.plan.each_excluded()}


def _missing(excluded: str | None, place: str) -> str:
    return f"excluded in {place}: {excluded}" if excluded else f"not in {place}"


def _same_question(one: Expectation, other: Expectation) -> bool:
    """Whether two expectations expect the same, whatever reason they give."""
    if one == other:
        return True
    asked, asked_there = (item.model_dump(exclude=set(REASONING)) for item in (one, other))
    return asked == asked_there


def _side(result: CellResult) -> Side:
    crashes = (crash.signature for trial in result.trials for crash in trial.crashes)
    return Side(
        verdict=result.judgement.verdict,
        outcomes=tuple(sorted({trial.ended for trial in result.trials})),
        signatures=tuple(sorted(set(crashes))),
        rate=result.rate,
    )


def _kind(then: Side, now: Side) -> ChangeKind | None:
    """The worst change. That a race shows only some of its signatures or outcomes is no change."""
    if now.verdict is Verdict.ERROR:
        return ChangeKind.UNOBSERVED
    if then.verdict is not now.verdict:
        return ChangeKind.NEW if now.verdict is Verdict.FAIL else ChangeKind.FIXED
    if then.signatures and now.signatures and not {*then.signatures} & {*now.signatures}:
        return ChangeKind.SIGNATURE
    if then.outcomes and now.outcomes and not {*then.outcomes} & {*now.outcomes}:
        return ChangeKind.OUTCOME
    if then.rate and now.rate and then.rate.event == now.rate.event and now.rate.parts_from(then.rate):
        return ChangeKind.RATE
    return None


def _versions(result: CellResult) -> Mapping[str, str]:
    return result.trials[-1].outcome.versions if result.trials else {}
