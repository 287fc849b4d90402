"""The sentences about results, shared by JUnit, HTML, summary and terminal."""

from collections.abc import Iterator
from typing import Final

from orchestrator.model import (
    Cause,
    CauseState,
    Change,
    Explanation,
    Finding,
    MissingCells,
    NotComparable,
    Place,
    Plan,
    Subject,
)
from orchestrator.rundir import RunData, Status

NAMED: Final = 3
"""The most cells that a sentence names; the grid and the run's JSON have all."""
MISSING: Final = 10
"""The most lines on missing cells; plan.json has all."""
COUNTED: Final = {
    Status.FAIL: ("failed", "failed"),
    Status.ERROR: ("error", "errors"),
    Status.NOT_RUN: ("not run", "not run"),
}
"""The words behind a count of one, and of more."""


def cells(count: int) -> str:
    """A number of cells, for example `1 cell`."""
    return "1 cell" if count == 1 else f"{count:,} cells"


def headline(data: RunData) -> str:
    """The run's outcome in one sentence."""
    planned = len(data.records)
    bad = [status for status in (Status.FAIL, Status.ERROR, Status.NOT_RUN) if data.counts[status]]
    if not planned:
        return "No cell was planned"
    if not bad:
        passed = data.counts[Status.PASS]
        every = "The one cell is" if passed == 1 else f"All {passed:,} cells are"
        return f"{every} as expected" if passed else "No cell ran"
    counts = [(data.counts[status], COUNTED[status]) for status in bad]
    parts = [f"{count:,} {said[count > 1]}" for count, said in counts]
    return f"{', '.join(parts)}, of {cells(planned)}"


def merging(plan: Plan) -> tuple[str, ...]:
    """What a budget left out, what a merged run lacks, and the cells that several shards had."""
    said = [budget.words for budget in plan.budgets]
    said += [missing(item) for item in plan.missing[:MISSING]]
    if left := plan.missing[MISSING:]:
        said.append(f"Missing for other reasons: {cells(sum(item.count for item in left))}.")
    if plan.missing_shards:
        shards = ", ".join(plan.missing_shards)
        said.append(f"Missing: shard {shards}. Its cells are not counted here, so this result is incomplete.")
    if plan.replaced:
        said.append(f"{cells(plan.replaced)} are in several runs; the run that was planned last counts.")
    return tuple(said)


def missing(item: MissingCells) -> str:
    """The cells of an architecture that were due and did not come, why, and one of them."""
    count = "all" if item.count == item.of else f"{item.count:,} of"
    which = f"{count} {cells(item.of)} of {item.arch} in {item.selection}"
    return f"Missing: {which} ({item.reason}), for example {item.example}."


def change(item: Change) -> str:
    """How a cell changed, and what else differs between the runs and may be the cause."""
    beside = f" Also different: {'; '.join(item.differences)}." if item.differences else ""
    return f"{item.sentence}{beside}"


def not_comparable(item: NotComparable) -> str:
    """The cells that cannot be compared: how many, why, and the first of them."""
    named = ", ".join(item.cells[:NAMED])
    more = f", and {item.count - NAMED:,} more" if item.count > NAMED else ""
    return f"{cells(item.count)} cannot be compared ({item.reason}): {named}{more}."


def telling(data: RunData) -> Iterator[Explanation]:
    """The explanations that tell something, worst subjects first; the pages have all.

    Outcomes without a rule are left out, and so are signatures without one in a scenario whose failure
    has a rule: a library without symbols has a signature for each of its builds. Beside such a failure the
    others come without their notes.
    """
    ruled = {
        item.name
        for item in data.explanations
        if item.subject is Subject.FAILURE and item.finding in (Finding.RULE, Finding.TIE)
    }
    for item in data.explanations:
        told = ruled.issuperset(item.scenarios)
        if item.subject is Subject.FAILURE:
            yield item
        elif item.finding in (Finding.RULE, Finding.TIE) or (item.subject is Subject.SIGNATURE and not told):
            yield item.model_copy(update={"notes": ()}) if told else item


def differences(data: RunData, limit: int) -> Iterator[str]:
    """At most `limit` telling explanations in words, and the number of further ones."""
    items = list(telling(data))
    yield from (item.words for item in items[:limit])
    if len(items) > limit:
        yield f"{len(items) - limit:,} more explanations are in the report."


def since(cause: Cause) -> str:
    """How a cause compares with earlier runs, in a few words; empty where there are none."""
    if cause.state is CauseState.KNOWN:
        return f"since {cause.since}"
    if cause.state is CauseState.FIXED:
        return f"fixed; last in {cause.since}"
    return str(cause.state or "")


def rule_place(where: str, scenario: str) -> Place:
    """The file and line of a rule, relative to the project as far as that is known."""
    return Place.of(where, scenario)
