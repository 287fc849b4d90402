"""What commands print at their end."""

from __future__ import annotations

__lazy_modules__ = ("orchestrator", "orchestrator.pipeline", "orchestrator.report")

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from orchestrator import host, report
from orchestrator.model import Comparison
from orchestrator.pipeline import bisecting, run
from orchestrator.report import text
from orchestrator.rundir import RunData, Status

ALL_ROWS: Final = 60
"""Up to so many cells are all shown; of more, only those that are not as expected."""
EXPLANATIONS: Final = 12
SENTENCE: Final = 4_000
STYLES: Final = {
    Status.PASS: "green",
    Status.FAIL: "bold red",
    Status.ERROR: "bold magenta",
    Status.NOT_RUN: "bold",
    Status.SKIP: "dim",
}
STATE_STYLES: Final = {"ok": "green", "degraded": "yellow", "missing": "red"}


def show_run(console: Console, finished: run.Finished) -> None:
    """The table of a finished run, its outcome in a sentence, and where its report is."""
    data = finished.data
    rows = report.table_rows(data)
    shown = [row for row in rows if len(rows) <= ALL_ROWS or row.status is not Status.PASS]
    if shown:
        console.print(_results(shown))
    if found := report.remedies(data):
        console.print()
        console.print(_remedies(found))
    console.print()
    show_findings(console, data)
    if finished.stopped:
        console.print(f"[bold]Stopped early:[/] {escape(finished.stopped)}", soft_wrap=True)
    show_places(console, finished.folder)


def show_bisection(console: Console, found: bisecting.Bisected) -> None:
    """What a bisection found, how sure that is, and what it asked."""
    console.print()
    console.print(f"[bold]{escape(found.bisection.sentence)}[/]", soft_wrap=True)
    for note in found.bisection.notes:
        console.print(f"  {escape(text.one_line(note, SENTENCE))}", soft_wrap=True)
    if found.stopped:
        console.print(f"[bold]Stopped early:[/] {escape(found.stopped)}", soft_wrap=True)
    show_places(console, found.folder)


def show_findings(console: Console, data: RunData) -> None:
    """The outcome, and which axes make the difference, in the sentences that every report has."""
    count = data.plan.excluded_count
    excluded = f"; {count:,} {'is' if count == 1 else 'are'} excluded, with reasons" if count else ""
    console.print(f"[bold]{escape(report.headline(data))}[/]{excluded}.", soft_wrap=True)
    if data.comparison:
        console.print(f"  {escape(text.one_line(data.comparison.sentence, SENTENCE))}", soft_wrap=True)
    for sentence in report.differences(data, EXPLANATIONS):
        console.print(f"  {escape(text.one_line(sentence, SENTENCE))}", soft_wrap=True)
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for line in report.annotations(data):
            console.print(line, markup=False, soft_wrap=True)


def show_comparison(console: Console, comparison: Comparison) -> None:
    """What changed between two runs, worst first, and what cannot be compared."""
    for change in comparison.changes:
        said = text.one_line(report.change_words(change), SENTENCE)
        console.print(f"[bold]{change.kind}[/] {escape(change.cell)}: {escape(said)}", soft_wrap=True)
    for group in comparison.not_comparable:
        console.print(
            f"[dim]{escape(text.one_line(report.incomparable_words(group), SENTENCE))}[/]", soft_wrap=True
        )
    console.print(f"[bold]{escape(text.one_line(comparison.sentence, SENTENCE))}[/]", soft_wrap=True)


def _results(rows: Sequence[report.Row]) -> Table:
    table = Table(
        "cell", "verdict", "expected", "seen", "time", header_style="bold", pad_edge=False, box=None
    )
    for row in rows:
        good = row.status is Status.PASS
        notes = f" [dim](notes: {len(row.cautions)})[/]" if row.cautions else ""
        seen = escape(row.seen if good else row.reason) + notes
        table.add_row(
            escape(row.cell),
            f"[{STYLES[row.status]}]{row.status}[/]",
            escape(row.expected),
            seen,
            row.duration,
        )
    return table


def _remedies(found: Sequence[report.Remedy]) -> Table:
    """Does a mitigation hold everywhere: of the cells that crash without it, how many do not with it."""
    table = Table(
        "scenario", "mitigation", "holds in", "seen with it", header_style="bold", pad_edge=False, box=None
    )
    for item in found:
        style = "green" if item.whole else "bold yellow" if item.cells or item.unknown else "dim"
        seen = ", ".join(f"{words} ({count})" for words, count in item.seen)
        table.add_row(
            escape(item.scenario), escape(item.mitigation), f"[{style}]{item.words}[/]", escape(seen)
        )
    return table


def show_places(console: Console, folder: Path) -> None:
    """Where a run's report lies."""
    for item in report.FORMATS:
        console.print(f"{item.name + ':':9}{escape(str(folder / item.file))}", soft_wrap=True)


def show_capabilities(console: Console, capabilities: Sequence[host.Capability]) -> None:
    """The doctor's findings, each with a hint where something is missing."""
    table = Table("capability", "state", "found", "hint", header_style="bold", pad_edge=False, box=None)
    for item in capabilities:
        style = STATE_STYLES[str(item.state)]
        table.add_row(item.name, f"[{style}]{item.state}[/]", escape(item.found), escape(item.hint))
    console.print(table)
