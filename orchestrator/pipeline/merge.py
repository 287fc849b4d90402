"""Several runs, such as the shards of a night, merged into one run with one report."""

import re
import shlex
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final, TypeVar

from orchestrator import report
from orchestrator.errors import InputError, Location
from orchestrator.model import ExcludedCells, Plan, PlannedCell, PlannedCells, UnavailableValue
from orchestrator.pipeline import due as due_cells
from orchestrator.pipeline.reporting import report_on
from orchestrator.pipeline.run import own_folder
from orchestrator.rundir import RunData, RunFolder, layout
from orchestrator.rundir.transfer import take_cell, take_images

T = TypeVar("T")
PlannedById = Mapping[str, PlannedCell]
SHARD: Final = re.compile(r"(\d{1,5})/(\d{1,5})", re.ASCII)
"""A shard as `--shard` takes it."""
MOST_SAID: Final = 20
"""Missing shards that are named one by one; an untrusted run may claim to be one of 99,999."""
MAX_NAME: Final = 120


@dataclass(frozen=True, kw_only=True)
class MergeOptions:
    """The destination of a merged run, and the cells that must be in it."""

    into: Path | None = None
    """Its folder; None: one in `reports` that is named by date and profile, as a run's is."""
    reports: Path = Path()
    due: tuple[Path, ...] = ()
    """Files of plans that name the cells which should have come."""
    junit_files: bool = False


def merge_runs(folders: Sequence[Path], options: MergeOptions, say: Callable[[str], None]) -> RunData:
    """Take the runs' results over into one new folder and render its report.

    Says which shards and which due cells are missing, and which cells several runs planned: of those the
    run that was planned last counts, since a shard that runs again replaces its first attempt.
    """
    due = [due_cells.read_whole_plan(path, "--due") for path in options.due]
    runs = sorted((RunFolder(folder) for folder in folders), key=lambda run: run.plan.created)
    plans = [run.plan for run in runs]
    planned = [{item.cell.id: item for item in plan.cells} for plan in plans]
    missing, twice = _missing_shards(runs), _cells_twice(planned)
    wanted = {item.cell.id: item for plan in due for item in plan.cells}
    _say_what_is_odd(missing, twice, wanted, planned, say)
    target = _new_run(options, plans, due)
    _take_over(runs, planned, target)
    merged = _merged(plans, [wanted, *planned], target.path.name, due or plans)
    merged = merged.model_copy(update={"missing_shards": tuple(missing), "replaced": len(twice)})
    target.write_plan(merged)
    if due:
        ended = {result.cell.id for result in target.load_results().results}
        every = {name for its_cells in planned for name in its_cells}
        lacking = tuple(due_cells.missing_cells(due, every, ended, plans))
        for item in lacking[:MOST_SAID]:
            say(report.missing_words(item))
        target.write_plan(merged.model_copy(update={"missing": lacking}))
    return report_on(target, junit_files=options.junit_files)


def _say_what_is_odd(
    missing: Sequence[str],
    twice: Sequence[str],
    wanted: PlannedById,
    planned: Sequence[PlannedById],
    say: Callable[[str], None],
) -> None:
    for shard in missing[:MOST_SAID]:
        say(f"Shard {shard} is missing: its cells are not counted in this report.")
    if missing[MOST_SAID:]:
        say(f"{len(missing) - MOST_SAID:,} more shards are missing.")
    if twice:
        say(f"{len(twice)} cells stand in several runs, for example {twice[0]}: the last run counts.")
    others = [name for name in chain.from_iterable(planned) if name not in wanted] if wanted else []
    if others:
        say(f"{len(set(others)):,} cells were not due, for example {others[0]}: they count all the same.")


def _take_over(runs: Sequence[RunFolder], planned: Sequence[PlannedById], target: RunFolder) -> None:
    """Take each cell from the last run that planned it, even if that run did not run the cell."""
    taken: set[str] = set()
    for run, its_cells in zip(reversed(runs), reversed(planned), strict=True):
        for name, item in its_cells.items():
            if name not in taken:
                take_cell(run, target, item.cell, leave_out={report.INDEX})
        taken.update(its_cells)
        take_images(run, target)


def _new_run(options: MergeOptions, plans: Sequence[Plan], due: Sequence[Plan]) -> RunFolder:
    """The merged run's folder, named by the date of the first run and the profile unless it is given."""
    if options.into is None:
        created = min(plan.created for plan in plans)
        profiles = "-".join(_unique([plan.profile for plan in due or plans]))
        name = f"{re.sub(r'[^0-9T]', '', created[:19]).replace('T', '-')}-{profiles}"
        return RunFolder(own_folder(options.reports / re.sub(r"[^A-Za-z0-9._-]", "-", name)[:MAX_NAME]))
    if (options.into / layout.PLAN).exists():
        raise InputError(
            "there is a run in that folder already",
            where=Location(file=str(options.into)),
            hint="name another folder with --into",
        )
    return RunFolder(options.into)


def _cells_twice(planned: Sequence[PlannedById]) -> list[str]:
    counts = Counter(chain.from_iterable(planned))
    return sorted(cell for cell, count in counts.items() if count > 1)


def _missing_shards(runs: Sequence[RunFolder]) -> list[str]:
    """Shards that their siblings imply (2/3 says that there are three) and that were not given.

    Raises InputError where a plan names a shard that no run can have.
    """
    present: set[tuple[str, str, int, int]] = set()
    for run in runs:
        if run.plan.shard:
            present.add((run.plan.profile, run.plan.selection, *_shard(run.plan.shard, run.path)))
    wanted = {
        (profile, selection, number, count)
        for profile, selection, _, count in present
        for number in range(1, count + 1)
    }
    several = len({(profile, selection) for profile, selection, _, _ in present}) > 1
    return [
        f"{number}/{count}" + (f" of {selection}" if several else "")
        for _, selection, number, count in sorted(wanted - present)
    ]


def _shard(text: str, folder: Path) -> tuple[int, int]:
    match = SHARD.fullmatch(text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise InputError(
            f"{text[:40]!r} is no shard of a run",
            where=Location(file=str(folder / layout.PLAN)),
            hint="leave this run out",
        )
    return int(match[1]), int(match[2])


def _merged(plans: Sequence[Plan], planned: Sequence[PlannedById], run: str, whole: Sequence[Plan]) -> Plan:
    """One plan of several. The plans `whole` state what is excluded: a part may exclude what another runs."""
    first = plans[0]
    last = {name: item for its_cells in planned for name, item in its_cells.items()}
    cells = PlannedCells.of(last.values())
    chosen, command = _chosen(whole)
    return Plan(
        run=run,
        created=min(plan.created for plan in plans),
        profile=" + ".join(_unique([plan.profile for plan in whole])),
        selection=" | ".join(_unique([plan.selection for plan in whole])),
        chosen=chosen,
        command=command,
        cells=cells,
        identity=first.identity if all(plan.identity == first.identity for plan in plans) else None,
        scenarios=tuple({item.name: item for plan in plans for item in plan.scenarios}.values()),
        unavailable=_unavailable(whole, cells),
        budgets=tuple(dict.fromkeys(budget for plan in whole for budget in plan.budgets)),
        excluded=_excluded(whole),
        deselected=whole[0].deselected,
        images=tuple({image.key: image for plan in plans for image in plan.images}.values()),
        ordered=tuple(axis for axis in first.ordered if all(axis in plan.ordered for plan in plans)),
    )


def _chosen(plans: Sequence[Plan]) -> tuple[tuple[str, ...], str]:
    """The words and the command that choose the cells of all shards again; empty where no one does."""
    first = plans[0]
    words = _without_shard(first)
    if not words or any(_without_shard(plan) != words for plan in plans):
        return (), ""
    start = first.command.removesuffix(shlex.join(first.chosen))
    return words, f"{start}{shlex.join(words)}" if first.command else ""


def _without_shard(plan: Plan) -> tuple[str, ...]:
    return plan.chosen[:-2] if plan.chosen[-2:-1] == ("--shard",) else plan.chosen


def _unavailable(plans: Sequence[Plan], cells: PlannedCells) -> tuple[UnavailableValue, ...]:
    """The axis values without a cell in any of the plans, each once."""
    found = {(item.axis, item.value): item for plan in plans for item in plan.unavailable}
    runs = {named for item in cells for named in item.cell.axes.items()} if found else set()
    return tuple(item for named, item in found.items() if named not in runs)


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
