"""One explanation for each failure, signature and outcome of a run."""

import math
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from orchestrator.explain import words
from orchestrator.explain.search import Found, RuleTerms, rule_text, shortest_rules
from orchestrator.explain.space import SCENARIO, Space, as_bits
from orchestrator.explain.subjects import SubjectCells, find_subjects, is_evidence
from orchestrator.model import (
    ABSENT,
    Cell,
    CellResult,
    Explanation,
    Explanations,
    Finding,
    MixedCell,
    Plan,
    Rule,
    SettlingCell,
    Where,
)

NAMED: Final = 5
"""The most cells and rules that a list names; the count covers the rest."""
SETTLING_RULES: Final = 16
"""The most equally short rules that are evaluated for each cell that did not run."""


def explain(plan: Plan, results: Sequence[CellResult]) -> Explanations:
    """Explain a run's results; the same for the same results, whatever their order on disk."""
    seen = [result for result in results if is_evidence(result)]
    unseen = tuple(_unseen(plan, results))
    scopes: dict[frozenset[str], _Scope] = {}
    found: list[Explanation] = []
    for item in find_subjects(seen):
        names = frozenset(item.scenarios)
        if names not in scopes:
            scopes[names] = _Scope.of(names, seen, unseen, plan.ordered)
        found.append(_explanation(item, scopes[names], seen))
    return Explanations(run=plan.run, explanations=tuple(found))


class Separator:
    """Finds the rules that separate some cells from the others of a universe of cells."""

    def __init__(self, cells: Sequence[Cell], ordered: Container[str]) -> None:
        """A universe; `ordered` are the axes that compare as versions."""
        self._space = Space.of(cells, ordered)

    def where(self, shown: Container[str]) -> Where:
        """The shortest rules that match exactly the cells whose ids are in `shown`, and a short text."""
        space = self._space
        bits = as_bits(cell in shown for cell in space.ids)
        finding, found = _find(space, bits, ((1 << len(space.cells)) - 1) & ~bits)
        rules = tuple(rule_text(rule) for rule in found.rules) if finding in _RULED else ()
        cells = tuple(space.chosen(bits))
        other = _swapped(space, found.rules) if finding is Finding.TIE else None
        text = words.place(finding, rules, cells, len(space.cells), other=other, silent=space.silent)
        return Where(finding=finding, rules=rules[:NAMED], text=text)


def _swapped(space: Space, rules: Sequence[RuleTerms]) -> str | None:
    """The one axis that the second of two rules names in place of one that changes together with it."""
    if len(rules) != 2:
        return None
    first, second = (
        {space.axes[condition.axis].name for term in rule for condition in term} for rule in rules
    )
    left, new = first - second, second - first
    alike = any(left | new <= set(group) for group in space.together)
    return new.pop() if len(left) == len(new) == 1 and alike else None


_RULED: Final = (Finding.RULE, Finding.TIE)


@dataclass(frozen=True, kw_only=True)
class _Scope:
    """The cells of some scenarios: those that were seen, by position among the results, and the others."""

    positions: tuple[int, ...]
    space: Space
    unseen: tuple[tuple[Cell, str], ...]

    @classmethod
    def of(
        cls,
        names: frozenset[str],
        seen: Sequence[CellResult],
        unseen: Iterable[tuple[Cell, str]],
        ordered: Container[str],
    ) -> "_Scope":
        positions = tuple(at for at, result in enumerate(seen) if result.cell.scenario in names)
        return cls(
            positions=positions,
            space=Space.of([seen[at].cell for at in positions], ordered),
            unseen=tuple((cell, why) for cell, why in unseen if cell.scenario in names),
        )


def _unseen(plan: Plan, results: Iterable[CellResult]) -> Iterator[tuple[Cell, str]]:
    """Cells without a verdict, each with the reason; cells that can simply be run come first."""
    by_cell = {result.cell: result for result in results}
    for cell in plan.cells.each_cell():
        result = by_cell.get(cell)
        if result is None:
            yield cell, "not run"
        elif not is_evidence(result):
            yield cell, f"{result.judgement.verdict}: {result.judgement.reason}"
    for excluded in plan.each_excluded():
        yield excluded.cell, f"excluded: {excluded.reason}"


def _explanation(item: SubjectCells, scope: _Scope, seen: Sequence[CellResult]) -> Explanation:
    space = scope.space
    shown = as_bits(position in item.trials for position in scope.positions)
    not_shown = len(space.cells) - shown.bit_count()
    finding, found = _find(space, shown, ((1 << len(space.cells)) - 1) & ~shown)
    rules = found.rules if finding in _RULED else ()
    settling = _settling(space, rules, scope.unseen)
    crossing = _crossing(space, rules, shown, {cell for cell, _ in scope.unseen})
    mixed = _mixed(item, seen)
    made = Explanation(
        subject=item.subject,
        name=item.name,
        happened=item.happened,
        scenarios=tuple(item.scenarios),
        finding=finding,
        rules=tuple(_rule(space, rule, found.cost) for rule in rules[:NAMED]),
        rules_count=len(rules),
        shown=shown.bit_count(),
        not_shown=not_shown,
        unknown=len(scope.unseen),
        cells=tuple(space.chosen_ids(shown)),
        settling=settling[:NAMED],
        settling_count=len(settling),
        crossing=crossing,
        mixed=mixed[:NAMED],
        mixed_count=len(mixed),
        together=_together(space, rules),
        silent={axis: value for axis, value in space.silent.items() if axis != SCENARIO},
        sentence="",
    )
    return made.model_copy(
        update={
            "sentence": words.sentence(made),
            "notes": tuple(words.notes(made, cut=found.cut, runs=seen[scope.positions[0]].runs)),
        }
    )


def _find(space: Space, shown: int, others: int) -> tuple[Finding, Found]:
    nothing = Found(rules=(), cost=0, cut=False)
    if not others:
        return Finding.EVERYWHERE, nothing
    if shown.bit_count() == 1:
        return Finding.ONE_CELL, nothing
    found = shortest_rules(space, shown, others)
    carried = tuple(rule for rule in found.rules if _carried(space, rule, found.cost, shown))
    found = replace(found, rules=carried)
    if not carried:
        return (Finding.ALL_BUT_ONE if others.bit_count() == 1 else Finding.NO_RULE), found
    return (Finding.RULE if len(carried) == 1 else Finding.TIE), found


def _carried(space: Space, rule: RuleTerms, cost: int, shown: int) -> bool:
    """Whether the cells support a rule: a rule with `or` must be shorter than a list of its cells.

    With enough `or` any set of cells has a rule. In bits (Rissanen's minimum description length), the
    rule chooses `cost` conditions of all there are, the list chooses its cells of all that ran.
    """
    if len(rule) == 1:
        return True
    conditions = sum(len(axis.conditions) for axis in space.axes)
    accidents = math.comb(len(space.cells), shown.bit_count())
    return cost * math.log2(conditions) <= math.log2(accidents)


def _rule(space: Space, rule: RuleTerms, cost: int) -> Rule:
    conditions = [condition for term in rule for condition in term]
    boundaries = [item for found in conditions for item in space.axes[found.axis].boundaries(found)]
    return Rule(
        expression=rule_text(rule),
        axes=tuple(dict.fromkeys(space.axes[condition.axis].name for condition in conditions)),
        cost=cost,
        boundaries=tuple(dict.fromkeys(boundaries)),
    )


def _settling(
    space: Space, rules: Sequence[RuleTerms], unseen: Iterable[tuple[Cell, str]]
) -> tuple[SettlingCell, ...]:
    """Cells on which the rules disagree, then cells on which they give no answer."""
    disagreed: list[SettlingCell] = []
    silent: list[SettlingCell] = []
    for cell, why in unseen if rules else ():
        said = {_holds(space, rule, cell.axes) for rule in rules[:SETTLING_RULES]}
        if {True, False} <= said:
            disagreed.append(SettlingCell(cell=cell.id, why=why))
        elif None in said:
            silent.append(SettlingCell(cell=cell.id, why=why))
    return (*disagreed, *silent)


def _crossing(space: Space, rules: Sequence[RuleTerms], shown: int, unseen: Container[Cell]) -> str | None:
    """A cell that was not planned and on which the rules disagree: one that shows, with a value of another.

    Whether its environment can be had is not known here.
    """
    if len(rules) < 2:
        return None
    everything = (1 << len(space.cells)) - 1
    tied = dict.fromkeys(axis for group in _together(space, rules) for axis in group)
    planned = set(space.cells)
    for one in islice(space.chosen(shown), NAMED):
        for other in islice(space.chosen(everything & ~shown), NAMED):
            for axis in tied:
                cell = Cell.from_axes({**one.axes, axis: other.axes.get(axis, ABSENT)})
                said = {_holds(space, rule, cell.axes) for rule in rules[:SETTLING_RULES]}
                if {True, False} <= said and cell not in planned and cell not in unseen:
                    return cell.id
    return None


def _holds(space: Space, rule: RuleTerms, axes: Mapping[str, str]) -> bool | None:
    """Whether a rule matches a cell; None if that depends on a value with which no cell ran."""
    terms: set[bool | None] = set()
    for term in rule:
        said = {
            space.axes[item.axis].tells(item, axes.get(space.axes[item.axis].name, ABSENT)) for item in term
        }
        terms.add(False if False in said else None if None in said else True)
    return True if True in terms else None if None in terms else False


def _mixed(item: SubjectCells, seen: Sequence[CellResult]) -> tuple[MixedCell, ...]:
    """Cells whose kept trials differ. A trial that was not kept ended as one of the kept ones did."""
    return tuple(
        MixedCell(
            cell=seen[at].cell.id,
            shown=shown,
            trials=len(seen[at].trials) + seen[at].not_kept,
            not_kept=seen[at].not_kept,
        )
        for at, shown in item.trials.items()
        if shown < len(seen[at].trials)
    )


def _together(space: Space, rules: Sequence[RuleTerms]) -> tuple[tuple[str, ...], ...]:
    named = {space.axes[condition.axis].name for rule in rules for term in rule for condition in term}
    return tuple(group for group in space.together if named.intersection(group))
