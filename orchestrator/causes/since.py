"""The run in which each cause first appeared, and the causes of earlier runs that are fixed."""

from collections.abc import Iterable, Sequence
from typing import Final

from orchestrator.causes.causes import RULED, CauseGroup
from orchestrator.model import Cause, CauseKind, CauseState, PastCause, RunDigest, Verdict

SEEN: Final = frozenset("pf")
"""Letters of a digest for cells that were observed."""
_STATES: Final = (CauseState.NEW, CauseState.FIRST, None, CauseState.KNOWN)
"""Newest first."""
_VERDICTS: Final = (Verdict.FAIL, Verdict.ERROR, None)
"""Worst first."""


def past_causes(
    groups: Iterable[CauseGroup], causes: Iterable[Cause], cells: Iterable[str]
) -> dict[str, PastCause]:
    """The causes of a run as later runs ask for them; `cells` are the ids of its digest, in that order."""
    place = {cell: at for at, cell in enumerate(cells)}
    titles = {cause.id: cause.title for cause in causes}
    return {
        group.id: PastCause(
            kind=group.kind,
            scenario=group.end.scenario,
            title=titles[group.id],
            cells=tuple(place[cell.id] for cell in group.cells if cell.id in place),
        )
        for group in groups
    }


def dated(causes: Iterable[Cause], now: RunDigest, past: Sequence[RunDigest]) -> tuple[Cause, ...]:
    """The causes with their state against the earlier runs (oldest first), in the order of a report.

    Worst first: by verdict, then new before known, then by kind and the number of cells. Fixed ones follow.
    """
    known = [digest for digest in past if digest.causes is not None]
    found = [_dated(cause, known) for cause in causes] if known else list(causes)
    ordered = sorted(found, key=_order)
    return (*ordered, *_fixed({cause.id for cause in found}, now, known))


def _order(cause: Cause) -> tuple[int, int, int, int]:
    kinds = list(CauseKind)
    return (
        _VERDICTS.index(cause.verdict),
        _STATES.index(cause.state),
        kinds.index(cause.kind),
        -cause.count,
    )


def _dated(cause: Cause, past: Sequence[RunDigest]) -> Cause:
    """A cause with the earliest run of those that show it without a gap.

    A run that saw no cell of it is no gap.
    """
    since: str | None = None
    asked = False
    for digest in reversed(past):
        if digest.causes and cause.id in digest.causes:
            since, asked = digest.run, True
        elif _saw(digest, cause.cells):
            asked = True
            break
    state = CauseState.KNOWN if since else CauseState.NEW if asked else CauseState.FIRST
    return cause.model_copy(update={"state": state, "since": since})


def _saw(digest: RunDigest, cells: Iterable[str]) -> bool:
    return any(digest.cells.get(cell, "-") in SEEN for cell in cells)


def _fixed(present: set[str], now: RunDigest, past: Sequence[RunDigest]) -> list[Cause]:
    """The fixed causes: the newest run that observed their cells showed them, and this run does not."""
    told: dict[str, Cause] = {}
    newer: list[RunDigest] = []
    for digest in reversed(past):
        cells = list(digest.cells)
        for name, item in (digest.causes or {}).items():
            ids = tuple(cells[at] for at in item.cells if at < len(cells))
            gone_before = any(_saw(other, ids) for other in newer)
            known = item.kind not in RULED or name in present or name in told
            if known or gone_before or not _all_seen(now, ids):
                continue
            told[name] = _gone(name, item, ids, digest.run)
        newer.append(digest)
    return sorted(told.values(), key=lambda cause: list(CauseKind).index(cause.kind))


def _all_seen(now: RunDigest, cells: Sequence[str]) -> bool:
    return bool(cells) and all(now.cells.get(cell, "-") in SEEN for cell in cells)


def _gone(name: str, item: PastCause, cells: tuple[str, ...], run: str) -> Cause:
    return Cause(
        id=name,
        kind=item.kind,
        verdict=None,
        state=CauseState.FIXED,
        since=run,
        scenario=item.scenario,
        title=item.title,
        count=len(cells),
        of=len(cells),
        cells=cells,
        example=cells[0],
        link=f"cells/{cells[0]}/index.html",
        command="",
    )
