"""The sentences of comparisons; every report shows these."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from orchestrator.model import ChangeKind, Comparison, Side, Verdict

REASONS: Final = 2
"""Up to so many reasons why cells cannot be compared are named; of more, only the cells are counted."""


def comparison(item: Comparison) -> str:
    """What changed against the baseline, in one sentence."""
    apart = sum(group.count for group in item.not_comparable)
    reasons = [group.reason for group in item.not_comparable]
    why = f": {'; '.join(reasons)}" if len(reasons) <= REASONS else ""
    rest = f"; {_cells(apart)} cannot be compared{why}" if apart else ""
    since = f"{item.baseline}{' and older runs' if item.older else ''}"
    if not item.compared:
        return f"Nothing can be compared with {since}{rest}."
    counts = Counter(change.kind for change in item.changes)
    if not counts:
        return f"Nothing changed since {since} in {_cells(item.compared)}{rest}."
    changed = ", ".join(f"{counts[kind]:,} {kind}" for kind in ChangeKind if counts[kind])
    return f"Since {since}: {changed}, of {_cells(item.compared)} compared{rest}."


def change(kind: ChangeKind, then: Side, now: Side) -> str:
    """The behaviour of a cell in the baseline and now."""
    if kind is ChangeKind.RATE and then.rate and now.rate:
        return f"{then.rate.words}; now {now.rate.words}."
    if kind is ChangeKind.SIGNATURE:
        return f"{' and '.join(then.signatures)} became {' and '.join(now.signatures)}."
    if kind is ChangeKind.UNOBSERVED:
        return f"{_side(then)}; now it could not be observed."
    return f"{_side(then)}; now {_side(now)}."


def _side(side: Side) -> str:
    seen: Sequence[str] = side.signatures or side.outcomes or ("nothing",)
    judged = "as expected" if side.verdict is Verdict.PASS else "not as expected"
    return f"{' and '.join(seen)}, {judged}"


def _cells(count: int) -> str:
    return "1 cell" if count == 1 else f"{count:,} cells"
