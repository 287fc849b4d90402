"""Changes against the named baseline; without one, against the earlier runs in the same folder."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from orchestrator.model import ChangeKind, Comparison, History, NotComparable, SignatureHistory
from orchestrator.report import words
from orchestrator.rundir import CellRecord, RunData, Status

UNOBSERVED: Final[str] = ChangeKind.UNOBSERVED
ADDED: Final = "new cell"
SHOWN: Final = 10
"""The most changes of one kind that the overview lists; the grid filters by kind."""
SPARK: Final = 24
"""The most runs that a sparkline shows; the latest are kept."""
LETTERS: Final = {
    "p": Status.PASS,
    "f": Status.FAIL,
    "e": Status.ERROR,
    "s": Status.SKIP,
    "n": Status.NOT_RUN,
}
_TONES: Final[Mapping[str, Status]] = {
    ChangeKind.NEW: Status.FAIL,
    ChangeKind.FIXED: Status.PASS,
    UNOBSERVED: Status.ERROR,
}
_WORDS: Final = {
    ChangeKind.NEW: ("newly fails", "newly fail"),
    ChangeKind.FIXED: ("is fixed", "are fixed"),
    UNOBSERVED: ("is no longer observed", "are no longer observed"),
    ADDED: ("is new", "are new"),
}


@dataclass(frozen=True, kw_only=True)
class CellChange:
    """A cell that changed; `record` is None where this run has no such cell."""

    kind: str
    cell: str
    record: CellRecord | None
    words: str


@dataclass(frozen=True, kw_only=True)
class ChangeGroup:
    """Cells that changed in the same way. `tone` is the status that gives its colour and shape."""

    kind: str
    tone: Status
    changes: tuple[CellChange, ...]

    @property
    def shown(self) -> tuple[CellChange, ...]:
        """The changes that the overview lists."""
        return self.changes[:SHOWN]


@dataclass(frozen=True, kw_only=True)
class Changes:
    """The changes that the overview shows first."""

    sentence: str
    groups: tuple[ChangeGroup, ...] = ()
    not_comparable: tuple[NotComparable, ...] = ()
    new_signatures: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def kinds(self) -> Mapping[str, str]:
        """The kind of change by the cell's id."""
        return {change.cell: change.kind for group in self.groups for change in group.changes}


class Mark(NamedTuple):
    """A run in a sparkline; None where the cell was not in it."""

    run: str
    status: Status | None

    @property
    def word(self) -> str:
        """The verdict in a word."""
        return self.status.value if self.status else "not in that run"


def changes_of(data: RunData) -> Changes:
    """What changed since the last run, or since the baseline."""
    if data.comparison:
        return _compared(data, data.comparison)
    if data.history and len(data.history.runs) > 1:
        return _since_the_last(data, data.history)
    return Changes(
        sentence="There is no earlier run beside this one to compare with; --baseline RUN names another.",
        notes=_unreadable(data.history),
    )


def spark(data: RunData, cell: str) -> tuple[Mark, ...]:
    """A cell's verdicts over all known runs, oldest first; empty if there is only one run."""
    if data.history is None or len(data.history.runs) < 2:
        return ()
    series = data.history.cells.get(cell, "")
    marks = zip(data.history.runs, series, strict=False)
    return tuple(Mark(run=past.run, status=LETTERS.get(letter)) for past, letter in marks)[-SPARK:]


def signature_history(data: RunData, signature: str) -> SignatureHistory | None:
    """The earliest run with a signature; None if there is only one run."""
    if data.history is None or len(data.history.runs) < 2:
        return None
    return next((item for item in data.history.signatures if item.signature == signature), None)


def _compared(data: RunData, comparison: Comparison) -> Changes:
    found = [(str(change.kind), change.cell, words.change(change)) for change in comparison.changes]
    return Changes(
        sentence=comparison.sentence,
        groups=_groups(data, found, [str(kind) for kind in ChangeKind]),
        not_comparable=comparison.not_comparable,
        notes=_unreadable(data.history),
    )


def _since_the_last(data: RunData, history: History) -> Changes:
    last = history.runs[-2]
    found = list(_turned(history))
    groups = _groups(data, found, [ChangeKind.NEW, UNOBSERVED, ChangeKind.FIXED, ADDED])
    fresh = tuple(item.signature for item in history.signatures if item.first_run == data.plan.run)
    told = [_count_words(group) for group in groups]
    if fresh:
        told.append("1 signature is new" if len(fresh) == 1 else f"{len(fresh):,} signatures are new")
    said = "; ".join(told) if told else "every verdict is the same"
    notes = [f"{len(history.runs) + history.left_out} runs are beside this one"] if history.left_out else []
    return Changes(
        sentence=f"Since the last run, {last.run}: {said}.",
        groups=groups,
        new_signatures=fresh,
        notes=(*notes, *_unreadable(history)),
    )


def _unreadable(history: History | None) -> tuple[str, ...]:
    return (
        tuple(f"A run beside this one could not be read: {item}" for item in history.unreadable)
        if history
        else ()
    )


def _turned(history: History) -> Iterator[tuple[str, str, str]]:
    """The cells whose verdict differs from their previous one."""
    for cell, series in history.cells.items():
        now, past = series[-1:], series[:-1]
        before = next((letter for letter in reversed(past) if letter in "pf"), "")
        if now == "f" and before == "p":
            yield ChangeKind.NEW, cell, "passed when it was last observed"
        elif now == "p" and before == "f":
            yield ChangeKind.FIXED, cell, "failed when it was last observed"
        elif now in {"e", "n"} and past[-1:] in {"p", "f"}:
            yield UNOBSERVED, cell, "passed in the last run" if past[-1] == "p" else "failed in the last run"
        elif now in set(LETTERS) and not past.strip("-"):
            yield ADDED, cell, "no earlier run has it"


def _groups(
    data: RunData, found: Sequence[tuple[str, str, str]], order: Sequence[str]
) -> tuple[ChangeGroup, ...]:
    grouped: dict[str, list[CellChange]] = {}
    for kind, cell, said in found:
        change = CellChange(kind=kind, cell=cell, record=data.by_id.get(cell), words=said)
        grouped.setdefault(kind, []).append(change)
    return tuple(
        ChangeGroup(kind=kind, tone=_TONES.get(kind, Status.NOT_RUN), changes=tuple(grouped[kind]))
        for kind in sorted(grouped, key=lambda kind: order.index(kind) if kind in order else len(order))
    )


def _count_words(group: ChangeGroup) -> str:
    one, many = _WORDS.get(group.kind, (group.kind, group.kind))
    count = len(group.changes)
    return f"{words.cells(count)} {one if count == 1 else many}"
