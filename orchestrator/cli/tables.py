"""What commands print at their end."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from orchestrator import report
from orchestrator.cli.progress import STYLES
from orchestrator.host import Capability
from orchestrator.model import Plan, Verdict
from orchestrator.pipeline import Finished

ALL_ROWS: Final = 60
"""Up to so many cells are all shown; of more, only those that are not as expected."""
STATE_STYLES: Final = {"ok": "green", "degraded": "yellow", "missing": "red"}


def show_plan(console: Console, plan: Plan) -> None:
    """The cells of a plan, then the excluded ones under their reasons."""
    for item in plan.cells:
        console.print(f"{item.cell.id}  [dim]expects {item.expectation.kind}"
                      f"{' ' + item.expectation.signal if item.expectation.signal else ''}[/]", soft_wrap=True)  # fmt: skip
    reasons: dict[str, list[str]] = {}
    for excluded in plan.excluded:
        place = f" ({excluded.where})" if excluded.where else ""
        reasons.setdefault(f"{excluded.reason}{place}", []).append(excluded.cell.id)
    for reason, cells in reasons.items():
        console.print(f"\n[yellow]excluded[/] {len(cells)}: {escape(reason)}", soft_wrap=True)
        for cell in cells:
            console.print(f"  [dim]{escape(cell)}[/]", soft_wrap=True)
    console.print(f"\n{len(plan.cells)} cells run, {len(plan.excluded)} are excluded, "
                  f"{plan.deselected} are outside this selection.")  # fmt: skip


def show_run(console: Console, finished: Finished) -> None:
    """The table of a finished run, its counts, and where its report is."""
    data = report.load(finished.folder)
    results = sorted(data.results, key=lambda result: result.cell.id)
    shown = [item for item in results if len(results) <= ALL_ROWS or item.judgement.verdict is not Verdict.PASS]
    if shown:
        table = Table("cell", "verdict", "seen", "time", header_style="bold", pad_edge=False, box=None)
        for result in shown:
            verdict = result.judgement.verdict
            table.add_row(escape(result.cell.id), f"[{STYLES[verdict]}]{verdict}[/]",
                          escape(result.judgement.reason), f"{result.seconds:.1f} s")  # fmt: skip
        console.print(table)
    show_counts(console, data.plan, Counter(result.judgement.verdict for result in results))
    if finished.stopped:
        console.print(f"[bold]Stopped early:[/] {escape(finished.stopped)}", soft_wrap=True)
    show_places(console, finished.folder)


def show_counts(console: Console, plan: Plan, counts: Counter[Verdict]) -> None:
    """The number of cells of each verdict; cells that did not run are counted as such."""
    words = [f"[{STYLES[verdict]}]{counts[verdict]} {verdict}[/]" for verdict in Verdict if counts[verdict]]
    if missing := len(plan.cells) - counts.total():
        words.append(f"[bold]{missing} not run[/]")
    if plan.excluded:
        words.append(f"[dim]{len(plan.excluded)} excluded[/]")
    console.print(f"\n{len(plan.cells)} cells: {', '.join(words)}")


def show_places(console: Console, folder: Path) -> None:
    """Where a run's report lies."""
    for name, what in (("index.html", "report"), ("junit.xml", "JUnit"), ("summary.md", "summary")):
        console.print(f"{what + ':':9}{escape(str(folder / name))}", soft_wrap=True)


def show_capabilities(console: Console, capabilities: Sequence[Capability]) -> None:
    """The doctor's findings, each with its mend where something lacks."""
    table = Table("capability", "state", "found", "mend", header_style="bold", pad_edge=False, box=None)
    for item in capabilities:
        style = STATE_STYLES[str(item.state)]
        table.add_row(item.name, f"[{style}]{item.state}[/]", escape(item.found), escape(item.mend))
    console.print(table)
