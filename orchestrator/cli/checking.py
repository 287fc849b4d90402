"""What `crashmatrix check` prints: what each package does, and where."""

from __future__ import annotations

__lazy_modules__ = ("orchestrator", "orchestrator.cli", "orchestrator.pipeline")

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from orchestrator import check as checks
from orchestrator.adapters.visible import on_one_line
from orchestrator.cli import ending
from orchestrator.model import CheckedCell, CheckedPackage, HazardResult
from orchestrator.pipeline import check, confirm

NAMED: Final = 3
"""The most cells that a line names; check.json has all."""
MARKS: Final = {
    "safe": "[green]safe[/]",
    "refused": "[dim]refused[/]",
    "import fails": "[yellow]no import[/]",
    "no result": "[magenta]no result[/]",
    "fails": "[yellow]fails[/]",
    "hangs": "[bold red]hangs[/]",
    "invalid access": "[bold red]invalid access[/]",
    "crashes": "[bold red]crashes[/]",
}
"""The style of a table's field, by the worst cell of a hazard."""


def show_answer(terminal: Console, answer: check.FirstAnswer) -> None:
    """The first answer: a table of hazards and environments, then each crash and hang, exactly where."""
    packages = answer.checked.packages
    if len(packages) > 1:
        terminal.print(_overview(packages))
    for package in packages:
        if len(packages) == 1:
            terminal.print(_grid(package))
        terminal.print()
        terminal.print(f"[bold]{escape(_title(package))}[/]", soft_wrap=True)
        _print(terminal, _lines(package, answer.hits))
    if answer.run.stopped:
        terminal.print(f"[bold]Stopped early:[/] {escape(answer.run.stopped)}", soft_wrap=True)
    ending.show_place(terminal, answer.run.folder)
    terminal.print(f"table:   {escape(str(answer.run.folder / check.TABLE))}", soft_wrap=True)
    if answer.repeats:
        each = f"{_count(answer.options.again, 'time')} each"
        terminal.print(f"\nRepeating {_count(len(answer.hits), 'hit')}, {each}, and reducing the scripts:")


def show_hit(terminal: Console, folder: Path, hit: checks.Hit) -> None:
    """A hit that was repeated, with its bug report."""
    name = f"{hit.package}: {_named(hit.hazards)}"
    if not hit.trials:
        said = "not repeated"
    else:
        said = f"again in {hit.again} of {hit.trials} trials" + ("" if hit.stands else ", not counted")
    if hit.script:
        before, after = hit.statements
        said += f"; script of {after} in place of {before} statements"
    _print(terminal, [f"{name}: {said}", f"  {folder / confirm.BUGS / hit.file}"])


def show_classes(terminal: Console, finished: check.FinishedCheck) -> None:
    """The class of each package on free-threaded interpreters, which the repetitions decide."""
    for package in finished.checked.packages:
        _print(terminal, (f"{package.name}, {line}" for line in _gil(package, finished.hits)))


def _print(terminal: Console, lines: Iterable[str]) -> None:
    for line in lines:
        terminal.print(f"  {escape(line)}", soft_wrap=True)


def _title(package: CheckedPackage) -> str:
    versions = " ".join(package.versions)
    kind = _count(package.extensions, "native module") if package.extensions else "pure Python"
    known = f": imports {', '.join(package.names)}; {kind}" if package.names else ""
    return f"{package.name} {versions}".rstrip() + known


def _lines(package: CheckedPackage, found: Sequence[checks.Hit]) -> Iterable[str]:
    tested = [cell for cell in package.cells if not cell.result.is_blind]
    safe = {cell.hazard for cell in tested} - {cell.hazard for cell in package.hits}
    if not tested:
        yield "nothing could be tested"
    elif not package.hits:
        environments = {cell.environment.rpartition("-")[0] for cell in tested}
        where = _count(len(environments), "environment")
        yield f"no crash and no hang: {_count(len(safe), 'hazard')} in {where}"
    yield from _own_tests(package)
    for hit in found:
        if hit.package == package.name:
            yield f"{_named(hit.hazards)}: {on_one_line(hit.reason)} ({_cells(hit)})"
            yield f"  {on_one_line(hit.where)}"
    for result in (
        HazardResult.FAILS,
        HazardResult.NO_IMPORT,
        HazardResult.NO_RESULT,
        HazardResult.REFUSED,
    ):
        yield from _grouped([cell for cell in package.cells if cell.result is result], result)
    yield from package.excluded


def _own_tests(package: CheckedPackage) -> Iterable[str]:
    """How many of the package's own tests ended how, in each environment."""
    for cell in package.cells:
        if cell.tests:
            counts = ", ".join(f"{count} {outcome}" for outcome, count in cell.tests.items())
            yield f"its own tests in {cell.environment.rpartition('-')[0]}: {counts}"


def _count(number: int, word: str) -> str:
    return f"{number} {word}" + ("" if number == 1 else "s")


def _gil(package: CheckedPackage, hits: Sequence[checks.Hit]) -> Iterable[str]:
    """Of free-threaded interpreters: what the package does there, and beside it with the GIL."""
    for one in checks.free_threaded(package, hits):
        rate = f", {one.rate.words}" if one.rate and one.kind is checks.ThreadClass.INTERMITTENT else ""
        hazards = f" ({_named(one.hazards)}{rate})" if one.hazards else ""
        yield f"free-threaded {one.environment}: {one.kind}{hazards}{_beside(one)}"


def _beside(one: checks.FreeThreaded) -> str:
    """What the same cells show with the GIL, where there is something to compare."""
    if not one.hazards:
        return ""
    if one.with_gil is None:
        return "; not tested with the GIL"
    return f"; with the GIL too: {_named(one.with_gil)}" if one.with_gil else "; safe with the GIL"


def _named(hazards: Sequence[str]) -> str:
    more = len(hazards) - NAMED
    return ", ".join(hazards[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _cells(hit: checks.Hit) -> str:
    return f"{len(hit.cells)} cells" if len(hit.cells) > 1 else hit.cells[0]


def _grouped(cells: Sequence[CheckedCell], result: HazardResult) -> Iterable[str]:
    """One line for each reason, with how many cells have it."""
    reasons: dict[str, list[CheckedCell]] = {}
    for cell in cells:
        reasons.setdefault(cell.reason, []).append(cell)
    for words, group in reasons.items():
        hazards = sorted({cell.hazard for cell in group})
        named = _named(hazards)
        where = _count(len(group), "cell") if len(group) > 1 else group[0].environment
        yield f"{result}: {named} ({where}): {on_one_line(words)}"


def _grid(package: CheckedPackage) -> Table:
    """A row a hazard, a column an environment; servers of one environment share a column."""
    places = list(dict.fromkeys(cell.environment.rpartition("-")[0] for cell in package.cells))
    table = Table("hazard", *map(_short, places), header_style="bold", pad_edge=False, box=None)
    for hazard in checks.rows():
        cells = [cell for cell in package.cells if cell.hazard == hazard.name]
        if cells:
            own = (
                [cell for cell in cells if cell.environment.rpartition("-")[0] == place] for place in places
            )
            table.add_row(hazard.name, *map(_mark, own))
    return table


def _short(place: str) -> str:
    return place.replace("-x86_64", "").replace("-", " ")


def _overview(packages: Sequence[CheckedPackage]) -> Table:
    """A row a package, a column a hazard."""
    named = [item for item in checks.rows() if any(_of(package, item.name) for package in packages)]
    table = Table(
        "package", "hazards that are safe", "not safe", header_style="bold", pad_edge=False, box=None
    )
    for package in packages:
        worst = {item.name: checks.worst(_of(package, item.name)) for item in named}
        safe = sum(result in (HazardResult.SAFE, HazardResult.REFUSED) for result in worst.values())
        others = [
            f"{name} {MARKS[result]}"
            for name, result in worst.items()
            if result not in (None, HazardResult.SAFE, HazardResult.REFUSED)
        ]
        table.add_row(escape(package.name), f"{safe} of {len(named)}", ", ".join(others))
    return table


def _of(package: CheckedPackage, hazard: str) -> list[CheckedCell]:
    return [cell for cell in package.cells if cell.hazard == hazard]


def _mark(cells: Sequence[CheckedCell]) -> str:
    result = checks.worst(cells)
    return MARKS[result] if result else ""
