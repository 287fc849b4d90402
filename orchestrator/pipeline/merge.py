"""Many runs, such as the shards of a night, made one: data first, then one report."""

import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from orchestrator import report
from orchestrator.adapters.files import write_atomically
from orchestrator.errors import InputError, Location
from orchestrator.model import ExcludedCells, Plan, PlannedCells
from orchestrator.pipeline.cell import CELLS
from orchestrator.pipeline.planning import PLAN_FILE
from orchestrator.pipeline.reporting import write_reports
from orchestrator.pipeline.run import IMAGES
from orchestrator.report import RunData

T = TypeVar("T")


def merge_runs(folders: Sequence[Path], into: Path, say: Callable[[str], None]) -> RunData:
    """Copy the runs' results into one new folder and render its report.

    Says which shards are missing, and which cells stand in several runs: of those the run that was
    planned last counts, as a shard that was run again replaces its first try.
    """
    _check_empty(into)
    by_plan = sorted(
        ((report.load_plan(folder), folder) for folder in folders), key=lambda pair: pair[0].created
    )
    plans = [plan for plan, _ in by_plan]
    missing, twice = _missing_shards(plans), _cells_twice(plans)
    for shard in missing:
        say(f"Shard {shard} is missing: its cells are in no count of this report.")
    if twice:
        say(f"{len(twice)} cells stand in several runs, for example {twice[0]}: the last run counts.")
    for run, folder in by_plan:
        for item in run.cells:  # lest two runs' trials lie in one folder
            shutil.rmtree(into / CELLS / item.cell.id, ignore_errors=True)
        for part in (CELLS, IMAGES):
            if (folder / part).is_dir() and not (folder / part).is_symlink():
                shutil.copytree(folder / part, into / part, dirs_exist_ok=True, ignore=_links)
    plan = _merged(plans, into.name).model_copy(
        update={"missing_shards": tuple(missing), "replaced": len(twice)}
    )
    write_atomically(into / PLAN_FILE, plan.chunks())
    return write_reports(into)


def _check_empty(into: Path) -> None:
    if (into / PLAN_FILE).exists():
        raise InputError(
            "there is a run in that folder already",
            where=Location(file=str(into)),
            hint="name another folder with --into",
        )


def _links(folder: str, names: Sequence[str]) -> set[str]:
    """Links are not copied: one leads to what is outside of a run, which may have come from elsewhere."""
    return {name for name in names if (Path(folder) / name).is_symlink()}


def _cells_twice(plans: Sequence[Plan]) -> list[str]:
    counts = Counter(item.cell.id for plan in plans for item in plan.cells)
    return sorted(cell for cell, count in counts.items() if count > 1)


def _missing_shards(plans: Sequence[Plan]) -> list[str]:
    """Shards that their siblings speak of (2/3 says that there are three) and that were not given."""
    present = {(plan.profile, plan.selection, plan.shard) for plan in plans if plan.shard}
    wanted = {
        (profile, selection, f"{index}/{shard.partition('/')[2]}")
        for profile, selection, shard in present
        for index in range(1, int(shard.partition("/")[2]) + 1)
    }
    return sorted(shard for _, _, shard in wanted - present)


def _merged(plans: Sequence[Plan], run: str) -> Plan:
    first = plans[0]
    return Plan(
        run=run,
        created=min(plan.created for plan in plans),
        profile=" + ".join(_unique([plan.profile for plan in plans])),
        selection=" | ".join(_unique([plan.selection for plan in plans])),
        cells=PlannedCells.of({item.cell.id: item for plan in plans for item in plan.cells}.values()),
        excluded=_excluded(plans),
        deselected=first.deselected,
        images=tuple({image.key: image for plan in plans for image in plan.images}.values()),
        ordered=tuple(axis for axis in first.ordered if all(axis in plan.ordered for plan in plans)),
    )


def _excluded(plans: Sequence[Plan]) -> tuple[ExcludedCells, ...]:
    """The excluded cells of all plans, each once: those of other profiles may overlap."""
    kept: dict[tuple[str, str | None], list[ExcludedCells]] = {}
    for item in (item for plan in plans for item in plan.excluded):
        same = kept.setdefault((item.reason, item.where), [])
        left = [item]
        for other in same:
            left = [part for whole in left for part in whole.without(other)]
        same += left
    return tuple(item for same in kept.values() for item in same)


def _unique(items: Sequence[T]) -> list[T]:
    kept: list[T] = []
    for item in items:
        if item not in kept:
            kept.append(item)
    return kept
