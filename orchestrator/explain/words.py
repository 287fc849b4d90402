"""Explanations in words. Made here once; every report prints these sentences as they are."""

import shlex
from collections.abc import Container, Iterator, Sequence
from itertools import accumulate
from typing import Final

from orchestrator.explain.search import MOST_RULES
from orchestrator.invocation import command
from orchestrator.model import ABSENT, Boundary, Cell, Explanation, Finding, MixedCell, SettlingCell, Subject

PLACE: Final = 99
"""Characters of the place of a cause."""
HANG: Final = "hang "
"""How the signature of a hang begins."""
READABLE: Final = 240
"""Characters that rules of one length may take together in a sentence; explanations.json has more of them."""


def sentence(item: Explanation) -> str:
    """What the cells carry, in one sentence."""
    what = _subject(item)
    ran = item.shown + item.not_shown
    counts = f"{_show(item.shown)} it, {item.not_shown:,} {_do(item.not_shown)} not"
    match item.finding:
        case Finding.RULE:
            return f"{what} exactly where {item.rules[0].expression}: {counts}."
        case Finding.TIE:
            return f"{what} exactly where {_rules(item)}: {counts}."
        case Finding.EVERYWHERE:
            every = "the one cell" if ran == 1 else f"all {ran:,} cells"
            return f"{what} in {every} that ran, so no axis makes a difference."
        case Finding.ONE_CELL:
            return f"{what} in 1 of {ran:,} cells that ran: {item.cells[0]}. One cell is too few for a rule."
        case Finding.ALL_BUT_ONE:
            return f"{what} in all but one of {ran:,} cells that ran. One cell is too few for a rule."
    return f"{what} in {item.shown:,} of {ran:,} cells that ran; no short rule over the axes describes them."


def place(
    finding: Finding, rules: Sequence[str], cells: Sequence[Cell], ran: int, *,
    other: str | None = None, silent: Container[str] = (),
) -> str:  # fmt: skip
    """Where a cause is shown, in under 100 characters: the shortest rule, or how many cells show it.

    `other`: the axis by which the only other rule says the same, since the two change together. `silent` are
    axes of which one value ran: they do not tell a cell from the others.
    """
    if finding in (Finding.RULE, Finding.TIE):
        more = f" (or {other})" if other else f" (or {len(rules) - 1} more)" if len(rules) > 1 else ""
        room = PLACE - len(more)
        return _cut(rules[0], room) + more
    if finding is Finding.EVERYWHERE:
        return "the only cell" if ran == 1 else f"all {ran:,} cells"
    if finding is Finding.ONE_CELL:
        own = "".join(f"+{axis}={value}" for axis, value in cells[0].own_values if axis not in silent)
        return _cut(f"only {cells[0].environment}{own}", PLACE)
    if finding is Finding.ALL_BUT_ONE:
        return f"all {ran:,} cells but one"
    return f"{len(cells):,} of {ran:,} cells; no short rule"


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else f"{text[: room - 1]}…"


def notes(item: Explanation, *, cut: bool, runs: str | None = None) -> Iterator[str]:
    """What else must be known before the sentence is trusted.

    `cut`: a shorter rule was not ruled out. `runs`: the start of a command that runs cells of this project.
    """
    if item.finding is Finding.TIE:
        yield _tie(item)
    if item.settling:
        yield _settling(item.settling, item.settling_count)
    if item.crossing:
        one = f"{runs or command('run')} {shlex.join(['--cell', item.crossing])}"
        yield f"One cell that was not chosen would tell: `{one}`."
    boundaries = dict.fromkeys(boundary for rule in item.rules for boundary in rule.boundaries)
    if boundaries:
        yield _boundaries(list(boundaries))
    if item.mixed:
        yield _mixed(item.mixed, item.mixed_count)
    if cut:
        yield "The search for a shorter rule stopped at its limit."
    silent = {axis: value for axis, value in item.silent.items() if value != ABSENT}
    if silent and item.finding in (Finding.RULE, Finding.TIE, Finding.EVERYWHERE):
        yield f"Not tested: other values of {_and([f'{axis} (only {silent[axis]} ran)' for axis in silent])}."


def _subject(item: Explanation) -> str:
    if item.subject is Subject.FAILURE:
        return f"{item.name} {item.happened or 'fails'}"
    one = len(item.scenarios) == 1
    if item.subject is Subject.SIGNATURE and item.name.startswith(HANG):
        return f"{_and(item.scenarios)} {'hangs' if one else 'hang'} in {item.name.removeprefix(HANG)}"
    if item.subject is Subject.SIGNATURE:
        return f"{_and(item.scenarios)} {'crashes' if one else 'crash'} with {item.name}"
    return f"{_and(item.scenarios)} {'ends' if one else 'end'} with {item.name}"


def _rules(item: Explanation) -> str:
    listed = list(accumulate((rule.expression for rule in item.rules), "{}, or equally where {}".format))
    shown = max(1, sum(len(text) <= READABLE for text in listed))
    more = item.rules_count - shown
    least = "at least " if item.rules_count >= MOST_RULES else ""
    return listed[shown - 1] + (
        f" (and {least}{more} more {'rule' if more == 1 else 'rules'})" if more else ""
    )


def _tie(item: Explanation) -> str:
    named = {axis for rule in item.rules for axis in rule.axes}
    groups = [[axis for axis in group if axis in named] for group in item.together]
    found = [_and(group) for group in groups if len(group) > 1]
    if found:
        return f"{', and '.join(found)} change together here and cannot be told apart."
    return "These cells do not tell which of these rules holds."


def _settling(cells: Sequence[SettlingCell], count: int) -> str:
    first = {item.why: item for item in reversed(cells)}  # one reason is stated once
    named = "; ".join(f"{item.cell} ({item.why})" for item in cells if item is first[item.why])
    more = f"; and {count - len(first):,} more" if count > len(first) else ""
    which = "One cell that did not run" if count == 1 else f"{count:,} cells that did not run"
    return f"{which} would tell more: {named}{more}."


def _boundaries(found: Sequence[Boundary]) -> str:
    lie = "The boundary lies" if len(found) == 1 else "The boundaries lie"
    return f"{lie} between {_and([f'{item.axis} {item.below} and {item.above}' for item in found])}."


def _mixed(cells: Sequence[MixedCell], count: int) -> str:
    named = ", ".join(
        f"{item.cell} ({'at least ' if item.not_kept else ''}{item.shown} of {item.trials})" for item in cells
    )
    more = f", and {count - len(cells):,} more" if count > len(cells) else ""
    cell = "1 cell" if count == 1 else f"{count:,} cells"
    return f"In {cell} only some of the trials show it: {named}{more}; more trials may change the rule."


def _and(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def _show(count: int) -> str:
    return "1 cell shows" if count == 1 else f"{count:,} cells show"


def _do(count: int) -> str:
    return "does" if count == 1 else "do"
