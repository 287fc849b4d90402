"""Causes of a run: its cells grouped by what went wrong, each group told in a few words."""

import hashlib
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from orchestrator.causes.ends import CLEANLY, End, end_of
from orchestrator.causes.plain import short
from orchestrator.model import (
    Cause,
    CauseKind,
    Cell,
    CellResult,
    Expectation,
    OutcomeKind,
    Place,
    Plan,
    Verdict,
    Where,
)
from orchestrator.rundir import layout

TITLE: Final = 99
"""Characters of a title at most."""
REASON: Final = 2_000
"""Characters of the example's reason that a cause keeps; the cell's result has all."""
NAMED_CELLS: Final = 3
"""Cells that a command names one by one; of more it has the rule, where there is one."""
NAMED_LENGTH: Final = 1_500
"""Characters of the cells that a command names where no rule describes them."""
_SLUG: Final = re.compile(r"[^a-z0-9]+")
_VERDICTS: Final = {
    CauseKind.BUILD: Verdict.ERROR,
    CauseKind.EVIDENCE: Verdict.ERROR,
    CauseKind.ENGINE: Verdict.ERROR,
    CauseKind.HOST: Verdict.ERROR,
    CauseKind.NOT_RUN: None,
}
"""The verdict of a kind's cells; those of all others failed."""
RULED: Final = frozenset(CauseKind) - {CauseKind.ENGINE, CauseKind.HOST, CauseKind.NOT_RUN}
"""The kinds that a rule over the axes can describe; the others hit whatever ran at that time."""


@dataclass(frozen=True, kw_only=True)
class CauseGroup:
    """The cells of one cause, and the cells that a rule must tell them apart from."""

    id: str
    end: End
    cells: tuple[Cell, ...]
    results: tuple[CellResult, ...]
    """Of those of its cells that have one, in the same order."""
    universe: tuple[Cell, ...]
    """Its cells and all others that could have shown it and did not; one object for equal universes."""

    @property
    def kind(self) -> CauseKind:
        """What happened."""
        return self.end.kind


def find_causes(results: Iterable[tuple[Cell, CellResult | None]]) -> tuple[CauseGroup, ...]:
    """Group the planned cells that are not as expected by their cause, in the plan's order."""
    ends: dict[tuple[object, ...], End] = {}
    members: dict[tuple[object, ...], list[tuple[Cell, CellResult | None]]] = {}
    cells: list[Cell] = []
    judged: dict[str, list[Cell]] = {}
    for cell, result in results:
        cells.append(cell)
        if result and result.judgement.verdict in (Verdict.PASS, Verdict.FAIL):
            judged.setdefault(cell.scenario, []).append(cell)
        end = end_of(result) if result else _NOT_RUN
        if end is not None:
            key = (end.kind, end.scenario, *end.parts)
            ends.setdefault(key, end)
            members.setdefault(key, []).append((cell, result))
    every = tuple(cells)
    asked = {name: tuple(items) for name, items in judged.items()}
    return tuple(
        CauseGroup(
            id=_id(ends[key]),
            end=ends[key],
            cells=tuple(cell for cell, _ in found),
            results=tuple(result for _, result in found if result),
            universe=asked.get(ends[key].scenario or "", every) if _fails(ends[key].kind) else every,
        )
        for key, found in members.items()
    )


_NOT_RUN: Final = End(
    kind=CauseKind.NOT_RUN, scenario=None, parts=("the run was stopped",), seen="the run was stopped"
)


def _fails(kind: CauseKind) -> bool:
    return kind not in _VERDICTS


def _id(end: End) -> str:
    """A readable id with a digest of everything that distinguishes the cause."""
    whole = "\0".join((end.kind, end.scenario or "", *end.parts))
    digest = hashlib.sha256(whole.encode(errors="surrogatepass")).hexdigest()[:10]
    name = _SLUG.sub("-", f"{end.kind} {end.scenario or ''}".lower()).strip("-")[:60].strip("-")
    return f"{name}-{digest}"


def tell_causes(plan: Plan, groups: Iterable[CauseGroup], wheres: Mapping[str, Where]) -> tuple[Cause, ...]:
    """Each group as a cause, with the rule that was found for it."""
    return tuple(_cause(plan, group, wheres.get(group.id)) for group in groups)


def _cause(plan: Plan, group: CauseGroup, where: Where | None) -> Cause:
    end, example = group.end, _example(group.results)
    expectation = example.expectation if example and _fails(end.kind) else None
    shown = example.cell if example else group.cells[0]
    return Cause(
        id=group.id,
        kind=end.kind,
        verdict=_VERDICTS.get(end.kind, Verdict.FAIL),
        scenario=end.scenario,
        title=_title(end, expectation, example),
        expected=_expected(expectation) if expectation else "",
        detail=short(example.judgement.reason, REASON) if example else "",
        signature=end.signature,
        count=len(group.cells),
        of=len(group.universe),
        cells=tuple(cell.id for cell in group.cells),
        where=where,
        example=shown.id,
        link=f"{layout.cell_folder(shown)}/index.html",
        place=_place(plan, group, expectation),
        image=end.image,
        command=_command(plan, group, where, example),
    )


def _title(end: End, expectation: Expectation | None, example: CellResult | None) -> str:
    """What happened; what was expected follows where that is not a clean exit."""
    if end.kind is CauseKind.MISSING and expectation:
        return short(f"{end.seen}; {_expected(expectation)} did not happen", TITLE)
    if end.kind is CauseKind.ENDING and example:
        wrong = [item for item in end.parts[1:] if item]
        reasons = [item for item in example.judgement.wrong if item] or wrong
        return short("; ".join((end.seen, *reasons)), TITLE)
    if end.kind is CauseKind.BUILD and end.image:
        return short(f"image {end.image.role} did not build: {end.image.error}", TITLE)
    if end.kind is CauseKind.NOT_RUN:
        return "did not run: the run was stopped"
    return short(end.seen, TITLE)


def _expected(expectation: Expectation) -> str:
    """The expectation in a few words, the same for all statuses of a clean exit."""
    if expectation.kind is OutcomeKind.SIGNAL:
        where = f" in {expectation.frames[0]}" if expectation.frames else ""
        return f"{expectation.signal or 'a crash'}{where}"
    if expectation.must_crash:
        return f"{expectation.signal or 'a crash'} of another process"
    return {OutcomeKind.EXIT: CLEANLY, OutcomeKind.HANG: "a hang", OutcomeKind.OOM: "out of memory"}[
        expectation.kind
    ]


def _example(results: Sequence[CellResult]) -> CellResult | None:
    """The cell with the best evidence; the first of equal ones."""
    return max(results, key=_quality, default=None)


def _quality(result: CellResult) -> tuple[bool, bool, int]:
    """The quality of a cell's best crash: whole, exact symbol, source lines."""
    best = (False, False, 0)
    for trial in result.trials:
        for crash in trial.crashes:
            thread = crash.crashed_thread
            lines = sum(frame.line is not None for frame in thread.native) if thread else 0
            best = max(best, (not crash.truncated, crash.crash.exact, lines))
    return best


def _place(plan: Plan, group: CauseGroup, expectation: Expectation | None) -> Place | None:
    """The line of the rule that states the expectation; else the file of its scenario, if it is one."""
    names = {cell.scenario for cell in group.cells}
    name = names.pop()
    if names:
        return None
    if expectation and expectation.where:
        return Place.of(expectation.where, name)
    file = next((item.file for item in plan.scenarios if item.name == name), None)
    return Place(file=file) if file else None


def _chosen(selection: str) -> tuple[str, ...]:
    """The words of a plan of an older version, whose flags for a project's own axes are refused."""
    try:
        words = tuple(shlex.split(selection))
    except ValueError:
        return ()
    return words if words[:1] == ("--profile",) and "|" not in words else ()


def _narrowed(chosen: Sequence[str], rule: str) -> list[str]:
    """The words that choose the cells that a rule matches too. Of two expressions the last counts."""
    words = list(chosen)
    if "-k" not in words:
        return [*words, "-k", rule]
    at = words.index("-k") + 1
    return [*words[:at], f"({words[at]}) and ({rule})", *words[at + 1 :]]


def _command(plan: Plan, group: CauseGroup, where: Where | None, example: CellResult | None) -> str:
    """The command that runs the group's cells again, as the cells' own commands are written."""
    cells = [cell.id for cell in group.cells]
    start = (example.runs if example else None) or "crashmatrix run"
    chosen = plan.chosen or _chosen(plan.selection)
    rule = where.rules[0] if where and where.rules and chosen else None
    scenarios = {name for grid in plan.cells.grids for name in grid["scenario"]}
    if rule and _fails(group.kind) and len(scenarios) > 1:
        rule = f'scenario == "{group.end.scenario}" and ({rule})'
    if rule and len(cells) > NAMED_CELLS and "--cell" not in chosen:
        return f"{start} {shlex.join(_narrowed(chosen, rule))}"
    return f"{start} {' '.join(_named(cells))}"


def _named(cells: Sequence[str]) -> Iterator[str]:
    """`--cell ID` for each of the first cells; at least for NAMED_CELLS of them."""
    length = 0
    for number, cell in enumerate(cells):
        flag = shlex.join(["--cell", cell])
        length += len(flag) + 1
        if number >= NAMED_CELLS and length > NAMED_LENGTH:
            return
        yield flag
