"""The cells of a plan as lines of text."""

from collections.abc import Iterator
from itertools import chain, islice
from typing import Final

from orchestrator.adapters.visible import on_one_line
from orchestrator.model import ExcludedCells, Expectation, InterpreterKind, OutcomeKind, Plan, PlannedCell
from orchestrator.model.memory import DEFAULT_MEMORY, memory_words

MANY_EXCLUDED: Final = 20
"""Excluded cells shown for one reason: the own axes of a story multiply an excluded cell by hundreds."""
MANY_REASONS: Final = 3
"""Reasons shown for a value that no cell has."""


def lines(plan: Plan) -> Iterator[str]:
    """The values that no cell has, the cells, then the other excluded ones under their reasons."""
    for lacking in plan.unavailable:
        reasons = on_one_line("; ".join(lacking.reasons[:MANY_REASONS]))
        more = f"; and {len(lacking.reasons) - MANY_REASONS} more" if lacking.reasons[MANY_REASONS:] else ""
        cells = f"{lacking.count:,} cells with {lacking.axis} {lacking.value}"
        yield f"none of the {cells} can run: {reasons}{more}\n"
    if plan.unavailable:
        yield "\n"
    for item in plan.cells:
        yield f"{item.cell.id}  expects {_expects(item.expectation)}{_made_of(item)}\n"
    yield from _compiled(plan)
    yield from _excluded(plan)
    if (covered := plan.covered) is not None:
        yield (
            f"\n{covered.cover}: {covered.combinations:,} of {covered.of:,} combinations of values, in "
            f"{covered.cells:,} of {covered.selectable:,} cells.\n"
        )
    yield from (f"\n{item.words}\n" for item in (*plan.budgets, plan.estimate) if item)
    yield (
        f"\n{len(plan.cells):,} cells run, {plan.excluded_count:,} are excluded, "
        f"{plan.deselected:,} are not selected.\n"
    )


def _compiled(plan: Plan) -> Iterator[str]:
    """The interpreters that are compiled first, each once, with about how long that takes."""
    found = {
        f"CPython {made_of.version} for {item.cell.arch}": made_of.minutes
        for item in plan.cells
        if (made_of := item.made_of) and made_of.interpreter is InterpreterKind.PORTABLE
    }
    if found:
        yield "\nmust be built first, once on this host: "
        yield ", ".join(f"portable {title}{_about(minutes)}" for title, minutes in found.items())
        yield "\n"


def _about(minutes: int | None) -> str:
    return f" (about {minutes} min on 2 cores)" if minutes else ""


def _excluded(plan: Plan) -> Iterator[str]:
    """Excluded cells under their reasons, without those of values that no cell has, which are listed once."""
    lacking = frozenset((item.axis, item.value) for item in plan.unavailable)
    groups: dict[str, list[ExcludedCells]] = {}
    for excluded in plan.excluded:
        place = f" ({excluded.where})" if excluded.where else ""
        if (others := excluded.without_values(lacking)) is not None:
            groups.setdefault(f"{excluded.reason}{place}", []).append(others)
    for reason, alike in groups.items():
        count = sum(group.count for group in alike)
        yield f"\nexcluded {count}: {on_one_line(reason)}\n"
        for left_out in islice(chain.from_iterable(group.each() for group in alike), MANY_EXCLUDED):
            yield f"  {left_out.cell.id}\n"
        if count > MANY_EXCLUDED:
            yield f"  and {count - MANY_EXCLUDED:,} more (--json lists all)\n"


def _expects(expectation: Expectation) -> str:
    if expectation.is_default:
        return "a clean exit"
    if expectation.kind is OutcomeKind.SIGNAL:
        return expectation.signal or "a signal"
    status = "" if expectation.status is None else f" {expectation.status}"
    return f"{expectation.kind}{status}"


def _made_of(item: PlannedCell) -> str:
    made_of = item.made_of
    slow = f"; emulated, time limit {item.timeout:g} s a trial" if item.emulated else ""
    slow += "; with a network" if item.network else ""
    slow += f"; compiles {', '.join(item.built)}" if item.built else ""
    slow += "" if item.memory == DEFAULT_MEMORY else f"; {memory_words(item.memory)} of memory"
    if made_of is None:
        return slow
    python = f"; CPython {made_of.version} ({made_of.interpreter}) on {made_of.base} ({made_of.origin})"
    without = f" without {', '.join(made_of.without)}" if made_of.without else ""
    compiled = f"; probe by {item.toolchain}" if item.toolchain else ""
    return f"{python}{without}{compiled}{slow}"
