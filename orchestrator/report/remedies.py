"""Whether a mitigation works everywhere: each cell with it compared with the same cell without it."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from orchestrator.model import ABSENT, MITIGATION, Cell, CellResult, OutcomeKind
from orchestrator.report import cell_words, words
from orchestrator.rundir import CellRecord, RunData, Status


@dataclass(frozen=True, kw_only=True)
class Remedy:
    """A mitigation of a scenario, over the cells that go wrong without it.

    A cell goes wrong where it crashes or hangs, or its instrument sees what is expected of the cell without
    the mitigation. `mended` of those `cells` do not with it; `unknown` could not be compared, since
    one of the two did not run or could not be seen. `seen` says what came instead, with the number of cells.
    """

    scenario: str
    mitigation: str
    cells: int
    mended: int
    unknown: int
    seen: tuple[tuple[str, int], ...]

    @property
    def whole(self) -> bool:
        """Whether it works in every cell that needs it, with no cell unknown."""
        return self.cells > 0 and self.mended == self.cells and not self.unknown

    @property
    def failed(self) -> bool:
        """Whether a cell goes wrong despite it."""
        return self.mended < self.cells

    @property
    def words(self) -> str:
        """Its result in words."""
        if not self.cells and not self.unknown:
            return "no cell here goes wrong without it"
        open_still = f"{words.cells(self.unknown)} could not be compared" if self.unknown else ""
        if not self.cells:
            return open_still
        told = f"{self.mended:,} of {self.cells:,} that go wrong without it"
        return f"{told}; {open_still}" if open_still else told


def remedies(data: RunData) -> tuple[Remedy, ...]:
    """One remedy for each scenario and mitigation, in the plan's order."""
    groups: dict[tuple[str, str], list[CellRecord]] = {}
    for record in data.records:
        mitigation = _mitigation(record.cell)
        if mitigation != ABSENT:
            groups.setdefault((record.cell.scenario, mitigation), []).append(record)
    if not groups:
        return ()
    plain = {_without(record.cell): record for record in data.records if _mitigation(record.cell) == ABSENT}
    return tuple(_remedy(*names, records, plain) for names, records in groups.items())


def _remedy(
    scenario: str, mitigation: str, records: Iterable[CellRecord], plain: Mapping[Cell, CellRecord]
) -> Remedy:
    seen: Counter[str] = Counter()
    mended = unknown = 0
    for record in records:
        other = plain.get(_without(record.cell))
        fault = _fault(other)
        before, after = _went_wrong(other.result if other else None, fault), _went_wrong(record.result, fault)
        if before is None or (before and after is None):
            unknown += 1
        elif before:
            mended += not after
            seen[_seen(record)] += 1
    return Remedy(
        scenario=scenario,
        mitigation=mitigation,
        cells=seen.total(),
        mended=mended,
        unknown=unknown,
        seen=tuple(seen.most_common()),
    )


def _seen(record: CellRecord) -> str:
    """How a cell with the mitigation ends, with the message that was expected of it."""
    seen, expectation = cell_words.cell_seen(record), record.planned.expectation
    if record.status is Status.PASS and expectation.absent is not None:
        return f"{seen} without /{expectation.absent}/"
    if record.status is Status.PASS and expectation.message is not None:
        return f"{seen} with /{expectation.message}/"
    return seen


def _mitigation(cell: Cell) -> str:
    return next((value for axis, value in cell.own if axis == MITIGATION), ABSENT)


def _without(cell: Cell) -> Cell:
    """The same cell without its mitigation."""
    own = tuple((axis, ABSENT if axis == MITIGATION else value) for axis, value in cell.own)
    return cell.model_copy(update={"own": own})


def _fault(record: CellRecord | None) -> str | None:
    """The finding that is expected of a cell without a mitigation, if one is."""
    wanted = record.planned.expectation.evidence if record else None
    return wanted.kind if wanted and wanted.at_least else None


def _went_wrong(result: CellResult | None, fault: str | None) -> bool | None:
    """Whether a trial crashed or hung, or its instrument found the fault; None if nothing was observed."""
    if result is None or not result.trials:
        return None
    outcomes = [trial.outcome for trial in result.trials]
    findings = [item.kind for outcome in outcomes if outcome.evidence for item in outcome.evidence.findings]
    return fault in findings or any(outcome.kind is not OutcomeKind.EXIT for outcome in outcomes)
