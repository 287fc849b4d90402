"""A check of several packages as one table: a row a package, a column a hazard."""

from collections.abc import Iterable, Iterator
from typing import Final

from orchestrator.adapters.visible import visible
from orchestrator.check.hazard import rows
from orchestrator.model import Checked, CheckedCell, CheckedPackage, HazardResult

WORDS: Final = {
    HazardResult.CRASHES: "**crashes**",
    HazardResult.HANGS: "**hangs**",
    HazardResult.INVALID: "**invalid access**",
    HazardResult.FAILS: "fails",
    HazardResult.NO_RESULT: "no result",
    HazardResult.NO_IMPORT: "import fails",
    HazardResult.REFUSED: "refused",
    HazardResult.SAFE: "safe",
}
"""The word in a field, by the worst of its cells."""


def worst(cells: Iterable[CheckedCell]) -> HazardResult | None:
    """The worst result of some cells; None without cells."""
    order = list(HazardResult)
    return min((cell.result for cell in cells), key=order.index, default=None)


def markdown_table(checked: Checked) -> str:
    """The table in Markdown, with the questions behind its columns, and then the reason of each field."""
    return visible("\n".join(_lines(checked))) + "\n"


def _lines(checked: Checked) -> Iterator[str]:
    tested = [item for item in rows() if any(_of(package, item.name) for package in checked.packages)]
    yield f"# Packages under the lifecycle battery: run {checked.run}"
    yield ""
    yield "Each field shows the worst environment. `refused`: the package says that it does not support it."
    yield ""
    yield "| package | " + " | ".join(item.name for item in tested) + " |"
    yield "|" + "---|" * (len(tested) + 1)
    for package in checked.packages:
        fields = (_field(package, item.name) for item in tested)
        yield f"| {' '.join((package.name, *package.versions))} | " + " | ".join(fields) + " |"
    yield ""
    for item in tested:
        yield f"- **{item.name}**: {item.question} ([known case]({item.source}))"
    for package in checked.packages:
        yield from _told(package)


def _field(package: CheckedPackage, hazard: str) -> str:
    cells = _of(package, hazard)
    result = worst(cells)
    if result is None:
        return ""
    shown = sum(cell.result is result for cell in cells)
    return WORDS[result] + (f" {shown}/{len(cells)}" if result.is_hit and len(cells) > 1 else "")


def _told(package: CheckedPackage) -> Iterator[str]:
    """Each cell that is not safe, with its reason."""
    told = [cell for cell in package.cells if cell.result not in (HazardResult.SAFE, HazardResult.REFUSED)]
    if told or package.excluded:
        yield ""
        yield f"## {package.name}"
        yield ""
    for cell in told:
        reason = cell.reason.replace("`", "'").replace("\n", " ")
        yield f"- `{cell.cell}` {cell.result}: `{reason}`"
    for reason in package.excluded:
        yield f"- left out: `{reason.replace('`', chr(39))}`"


def _of(package: CheckedPackage, hazard: str) -> list[CheckedCell]:
    return [cell for cell in package.cells if cell.hazard == hazard]
