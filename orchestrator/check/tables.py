"""A check of several packages as one table: a row a package, a column a hazard."""

from collections.abc import Iterable, Iterator
from typing import Final

from orchestrator.adapters.visible import visible
from orchestrator.check.findings import Checked, CheckedCell, CheckedPackage, Seen
from orchestrator.check.hazard import hazards

WORDS: Final = {
    Seen.CRASHES: "**crashes**",
    Seen.HANGS: "**hangs**",
    Seen.FAILS: "fails",
    Seen.NOT_SEEN: "not seen",
    Seen.NO_IMPORT: "no import",
    Seen.NOT_ASKED: "refused",
    Seen.SAFE: "safe",
}
"""What a field says, of the worst of its cells."""


def worst(cells: Iterable[CheckedCell]) -> Seen | None:
    """The worst that cells show; None of none."""
    order = list(Seen)
    return min((cell.seen for cell in cells), key=order.index, default=None)


def markdown_table(checked: Checked) -> str:
    """The table in Markdown, with the questions behind its columns, and then what was said of each field."""
    return visible("\n".join(_lines(checked))) + "\n"


def _lines(checked: Checked) -> Iterator[str]:
    asked = [item for item in hazards() if any(_of(package, item.name) for package in checked.packages)]
    yield f"# Packages under the lifecycle battery: run {checked.run}"
    yield ""
    yield "Each field shows the worst environment. `refused`: the package says that it does not support it."
    yield ""
    yield "| package | " + " | ".join(item.name for item in asked) + " |"
    yield "|" + "---|" * (len(asked) + 1)
    for package in checked.packages:
        fields = (_field(package, item.name) for item in asked)
        yield f"| {package.name} {' '.join(package.versions)} | " + " | ".join(fields) + " |"
    yield ""
    for item in asked:
        yield f"- **{item.name}**: {item.question} ([known case]({item.source}))"
    for package in checked.packages:
        yield from _told(package)


def _field(package: CheckedPackage, hazard: str) -> str:
    cells = _of(package, hazard)
    seen = worst(cells)
    if seen is None:
        return ""
    shown = sum(cell.seen is seen for cell in cells)
    return WORDS[seen] + (f" {shown}/{len(cells)}" if seen.is_hit and len(cells) > 1 else "")


def _told(package: CheckedPackage) -> Iterator[str]:
    """Each cell that is not safe, with its own words."""
    told = [cell for cell in package.cells if cell.seen not in (Seen.SAFE, Seen.NOT_ASKED)]
    if told or package.excluded:
        yield ""
        yield f"## {package.name}"
        yield ""
    for cell in told:
        said = cell.said.replace("`", "'").replace("\n", " ")
        yield f"- `{cell.cell}` {cell.seen}: `{said}`"
    for reason in package.excluded:
        yield f"- left out: `{reason.replace('`', chr(39))}`"


def _of(package: CheckedPackage, hazard: str) -> list[CheckedCell]:
    return [cell for cell in package.cells if cell.hazard == hazard]
