"""From a run's results to its reports: what they mean first, then the rendering."""

from __future__ import annotations

__lazy_modules__ = ("orchestrator",)

import gc
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from orchestrator import causes, compare, explain, report
from orchestrator.errors import InputError
from orchestrator.model import Cause, Causes, Comparison, RunDigest, Where
from orchestrator.rundir import RunData, RunFolder, run_folders

PAST_RUNS: Final = 30
"""Earlier runs that a history holds."""
BASELINES: Final = 5
"""Earlier runs that are read to compare with: the newest holds most cells, if it was not stopped."""
SEEN: Final = frozenset("pf")
"""The letters of a digest that say that a cell was seen."""


@dataclass(kw_only=True)
class _Past:
    """The earlier runs beside a run, oldest first; how many older ones were left out, what is unreadable."""

    runs: list[tuple[RunFolder, RunDigest]]
    left_out: int
    unreadable: list[str]


def write_reports(folder: Path, baseline: Path | None = None, *, junit_files: bool = False) -> RunData:
    """Explain a run's results, compare them with other runs, and render all its reports.

    Without a baseline each cell is compared with the newest earlier run beside this one that saw it. Raises
    InputError where the run or the baseline cannot be read; a damaged run that only lies beside it is named
    in the history instead.
    """
    return report_on(RunFolder(folder), RunFolder(baseline) if baseline else None, junit_files=junit_files)


def report_on(run: RunFolder, baseline: RunFolder | None = None, *, junit_files: bool = False) -> RunData:
    """Do what `write_reports` does, with folders that are open."""
    data = run.load_results()
    gc.freeze()  # these values stay to the end, so that no collection need look at each of them
    try:
        data = _explained(run, data, baseline)
        report.write(data, junit_files=junit_files)
        return data
    finally:
        gc.unfreeze()


def _explained(run: RunFolder, data: RunData, baseline: RunFolder | None) -> RunData:
    explanations = explain.explain(data.plan, data.results)
    run.write(explanations)
    groups = causes.find_causes(data.planned_results)
    told = causes.tell_causes(data.plan, groups, _wheres(data, groups))
    now = _digest(data, groups, told)
    run.write(now)
    past = _past(run, now)
    digests = [digest for _, digest in past.runs]
    found = Causes(run=data.plan.run, causes=causes.dated(told, now, digests))
    run.write(found)
    comparison = (
        compare.compare(baseline.load_results(), data) if baseline else _against_newest(data, now, past)
    )
    if comparison is None:
        run.remove_comparison()
    else:
        run.write(comparison)
    history = compare.history(digests, now, left_out=past.left_out, unreadable=past.unreadable)
    run.write(history)
    return replace(
        data,
        explanations=explanations.explanations,
        causes=found.causes,
        comparison=comparison,
        history=history,
    )


def _wheres(data: RunData, groups: Iterable[causes.CauseGroup]) -> dict[str, Where]:
    """The rule of each cause that has one, by its id; causes with the same universe share its tables."""
    ordered = data.plan.ordered
    separators: dict[int, explain.Separator] = {}
    found: dict[str, Where] = {}
    for group in groups:
        if group.kind in causes.RULED:
            separator = separators.get(id(group.universe)) or explain.Separator(group.universe, ordered)
            separators[id(group.universe)] = separator
            found[group.id] = separator.where({cell.id for cell in group.cells})
    return found


def _digest(data: RunData, groups: Sequence[causes.CauseGroup], told: Sequence[Cause]) -> RunDigest:
    made = compare.digest(data)
    return made.model_copy(update={"causes": causes.past_causes(groups, told, made.cells)})


def past_digest(folder: RunFolder) -> RunDigest:
    """The digest of an earlier run, made again where an older version made it, or the run was killed."""
    written = folder.fresh_digest()
    if written is not None and written.causes is not None:
        return written
    data = folder.load_results()
    groups = causes.find_causes(data.planned_results)
    return _digest(data, groups, causes.tell_causes(data.plan, groups, {}))


def compare_runs(before: Path, after: Path) -> Comparison:
    """What changed from one run's folder to another's; raises InputError where one cannot be read."""
    return compare.compare(RunFolder(before).load_results(), RunFolder(after).load_results())


def _past(run: RunFolder, now: RunDigest) -> _Past:
    found: list[tuple[RunFolder, RunDigest]] = []
    unreadable: list[str] = []
    for path in run_folders(run.path.parent):
        if path == run.path:
            continue
        other = RunFolder(path)
        try:
            found.append((other, past_digest(other)))
        except InputError as error:
            unreadable.append(f"{path.name}: {error.what}")
    earlier = sorted(
        ((other, digest) for other, digest in found if digest.created <= now.created),
        key=lambda pair: (pair[1].created, pair[0].path.name),
    )
    kept = earlier[-PAST_RUNS:]
    return _Past(runs=kept, left_out=len(earlier) - len(kept), unreadable=unreadable)


def _against_newest(data: RunData, now: RunDigest, past: _Past) -> Comparison | None:
    """The comparison of each cell with the newest earlier run that saw it; None where no run saw one.

    A run that was stopped, or that asked for others, says nothing of the cells that it did not see.
    """
    left = dict.fromkeys(now.cells)
    before: list[tuple[RunData, list[str]]] = []
    for other, digest in reversed(past.runs):
        cells = [cell for cell in left if digest.cells.get(cell) in SEEN]
        if not cells or len(before) >= BASELINES or not other.has_results:
            continue
        try:
            before.append((other.load_results(), cells))
        except InputError as error:
            past.unreadable.append(f"{other.path.name}: {error.what}")
            continue
        for cell in cells:
            del left[cell]
    return compare.compare_newest(before, data) if before else None
