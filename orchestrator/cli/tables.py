"""The final output of commands."""

from __future__ import annotations

__lazy_modules__ = ("orchestrator", "orchestrator.cli", "orchestrator.pipeline", "orchestrator.report")

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from orchestrator import host, report
from orchestrator.cli import ending
from orchestrator.model import Comparison
from orchestrator.pipeline import bisecting, run
from orchestrator.report import text

SENTENCE: Final = 4_000
STATE_STYLES: Final = {"ok": "green", "degraded": "yellow", "missing": "red"}


def show_run(console: Console, finished: run.Finished, project: Path) -> None:
    """The effect of the mitigations in a finished run, then its end."""
    if found := report.remedies(finished.data):
        console.print(_remedies(found))
        console.print()
    ending.show_end(console, finished.data, stopped=finished.stopped, project=project)


def show_bisection(console: Console, found: bisecting.Bisected) -> None:
    """The result of a bisection, its confidence, and the tested values."""
    console.print()
    console.print(f"[bold]{escape(found.bisection.sentence)}[/]", soft_wrap=True)
    for note in found.bisection.notes:
        console.print(f"  {escape(text.one_line(note, SENTENCE))}", soft_wrap=True)
    if found.stopped:
        console.print(f"[bold]Stopped early:[/] {escape(found.stopped)}", soft_wrap=True)
    ending.show_place(console, found.folder)


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


def _remedies(found: Sequence[report.Remedy]) -> Table:
    """How many of the cells that crash without a mitigation do not crash with it."""
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


def show_capabilities(console: Console, capabilities: Sequence[host.Capability]) -> None:
    """The doctor's findings, each with a hint where something is missing."""
    table = Table("capability", "state", "found", "hint", header_style="bold", pad_edge=False, box=None)
    for item in capabilities:
        style = STATE_STYLES[str(item.state)]
        table.add_row(item.name, f"[{style}]{item.state}[/]", escape(item.found), escape(item.hint))
    console.print(table)
