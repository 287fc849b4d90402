"""The cells of a common plan that none of several runs has."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from orchestrator.errors import InputError, Location
from orchestrator.model import Cell, MissingCells, Plan
from orchestrator.rundir.documents import read_document

NO_RUN: Final = "in no run"
NOT_RUN: Final = "planned, not run"
EXCLUDED: Final = "excluded where it was to run"
HINT: Final = "make it with `crashmatrix plan ... --json > FILE`, once for all shards"


def read_whole_plan(path: Path, flag: str) -> Plan:
    """The plan of a file as `plan --json` prints it; raises InputError where it is none, or one shard's.

    `flag` is the one that named the file.
    """
    plan = read_document(path.parent, path.name, Plan)
    if plan is None:
        raise InputError(f"{flag}: there is no such file", where=Location(file=str(path)), hint=HINT)
    if plan.shard is not None:
        raise InputError(
            f"{flag}: this is the plan of shard {plan.shard} alone", where=Location(file=str(path)), hint=HINT
        )
    return plan


def missing_cells(
    due: Sequence[Plan], planned: Collection[str], ended: Collection[str], runs: Sequence[Plan]
) -> Iterator[MissingCells]:
    """The cells that were due and have no result, by plan, architecture and reason.

    `planned` are the ids of the cells of the `runs`, `ended` the ids of those with a result. A cell that
    several plans have is due by the first of them.
    """
    exclusions, told = _Exclusions.of(runs), set[str]()
    for plan in due:
        cells = [item.cell for item in plan.cells if item.cell.id not in told]
        told.update(cell.id for cell in cells)
        counts = Counter(str(cell.arch) for cell in cells)
        lacking = defaultdict[tuple[str, str], list[str]](list)
        for cell in (cell for cell in cells if cell.id not in ended):
            lacking[str(cell.arch), NOT_RUN if cell.id in planned else exclusions.reason(cell)].append(
                cell.id
            )
        for (arch, reason), names in lacking.items():
            yield MissingCells(
                selection=plan.selection,
                arch=arch,
                reason=reason,
                count=len(names),
                of=counts[arch],
                example=names[0],
            )


@dataclass(frozen=True, kw_only=True)
class _Exclusions:
    """The cells that runs exclude, as products of axis values with the reason, each once of all shards."""

    products: tuple[tuple[str, Mapping[str, frozenset[str]]], ...]

    @classmethod
    def of(cls, runs: Sequence[Plan]) -> Self:
        """Those of these plans."""
        items = (item for plan in runs for item in plan.excluded)
        unique = dict.fromkeys((item.reason, tuple(item.axes.items())) for item in items)
        return cls(
            products=tuple(
                (reason, {axis: frozenset(values) for axis, values in axes}) for reason, axes in unique
            )
        )

    def reason(self, cell: Cell) -> str:
        """Why no run has a cell: the reason for which one excluded it, where one did."""
        axes = cell.axes
        for reason, known in self.products:
            if len(axes) == len(known) and all(value in known.get(axis, ()) for axis, value in axes.items()):
                return f"{EXCLUDED}: {reason}"
        return NO_RUN
