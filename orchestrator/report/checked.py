"""The findings of a check for the overview: each package, and each hazard that it is not safe from."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from orchestrator.model import Checked, CheckedCell, CheckedHit, CheckedPackage, HazardResult

SHAPES = {
    HazardResult.CRASHES: "crash",
    HazardResult.HANGS: "hang",
    HazardResult.INVALID: "crash",
    HazardResult.FAILS: "wrong",
    HazardResult.NO_RESULT: "none",
    HazardResult.NO_IMPORT: "none",
    HazardResult.REFUSED: "exit",
}
"""The symbol of each result but `safe`."""
TONES = {HazardResult.NO_RESULT: "error", HazardResult.NO_IMPORT: "error", HazardResult.REFUSED: "skip"}
"""The colour of a result that is not a failure, as a verdict's."""


@dataclass(frozen=True, kw_only=True)
class FindingRow:
    """Hazards of a package with one result for one reason."""

    result: HazardResult
    hazards: tuple[str, ...]
    question: str
    """The question of the first hazard."""
    reason: str
    cells: tuple[str, ...]
    where: str
    hit: CheckedHit | None = None

    @property
    def shape(self) -> str:
        """The symbol of the result."""
        return SHAPES[self.result]

    @property
    def tone(self) -> str:
        """The colour of the result."""
        return TONES.get(self.result, "fail")

    @property
    def repeated(self) -> str:
        """The result of repeating it; empty if it was not repeated."""
        if self.hit is None or not self.hit.trials:
            return ""
        doubt = "" if self.hit.counts else ", so it does not count"
        return f"{self.hit.again} of {self.hit.trials} further trials show it{doubt}"


@dataclass(frozen=True, kw_only=True)
class PackageView:
    """A package with the counts of its hazards and the rows of those that are not safe."""

    title: str
    about: str
    counts: str
    rows: tuple[FindingRow, ...]
    excluded: tuple[str, ...]


def package_views(checked: Checked | None) -> tuple[PackageView, ...]:
    """The checked packages, in the order in which they were named."""
    return tuple(_package(package, checked) for package in checked.packages) if checked else ()


def _package(package: CheckedPackage, checked: Checked) -> PackageView:
    count = Counter(cell.result for cell in package.cells)
    kind = _count(package.extensions, "native module") if package.extensions else "pure Python"
    return PackageView(
        title=f"{package.name} {', '.join(package.versions)}".rstrip(),
        about=f"imports {', '.join(package.names)}; {kind}" if package.names else "",
        counts=", ".join(f"{count[result]:,} {result}" for result in HazardResult if count[result]),
        rows=tuple(_rows(package, checked)),
        excluded=package.excluded,
    )


def _rows(package: CheckedPackage, checked: Checked) -> Iterator[FindingRow]:
    """The crashes and hangs by signature, then every other result by reason, worst first."""
    by_id = {cell.cell: cell for cell in package.cells}
    told: set[str] = set()
    for hit in checked.hits:
        mine = [by_id[cell] for cell in hit.cells if cell in by_id]
        if hit.package == package.name and mine:
            told |= set(hit.cells)
            yield _row(mine, checked, hit)
    left = [cell for cell in package.cells if cell.result is not HazardResult.SAFE and cell.cell not in told]
    for result in HazardResult:
        yield from (_row(group, checked) for group in _by_reason(left, result))


def _by_reason(cells: Iterable[CheckedCell], result: HazardResult) -> Iterable[list[CheckedCell]]:
    groups: dict[str, list[CheckedCell]] = {}
    for cell in cells:
        if cell.result is result:
            groups.setdefault(cell.reason, []).append(cell)
    return groups.values()


def _row(cells: list[CheckedCell], checked: Checked, hit: CheckedHit | None = None) -> FindingRow:
    hazards = tuple(dict.fromkeys(cell.hazard for cell in cells))
    environments = tuple(dict.fromkeys(cell.environment for cell in cells))
    return FindingRow(
        result=cells[0].result,
        hazards=hazards,
        question=checked.questions.get(hazards[0], ""),
        reason=cells[0].reason,
        cells=tuple(cell.cell for cell in cells),
        where=environments[0] if len(environments) == 1 else f"{len(environments)} environments",
        hit=hit,
    )


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}" + ("" if number == 1 else "s")
