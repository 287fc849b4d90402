"""The end of a run on the terminal: one line per scenario, then each cause, on one screen."""

from __future__ import annotations

__lazy_modules__ = ("orchestrator", "orchestrator.report")

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from orchestrator import report
from orchestrator.invocation import REPORTS, command
from orchestrator.model import Cause
from orchestrator.report import cause_words, cautions, text, words
from orchestrator.rundir import CellRecord, RunData, Status

EXPLANATIONS: Final = 3
"""Explanations that are shown for a run without failures."""
SENTENCE: Final = 4_000
SCENARIOS: Final = 8
"""Scenarios with a line of their own; the others share one."""
LOG_CAUSES: Final = 50
"""Causes in a log, which need not fit a screen."""
INDENT: Final = 6
"""Columns of a status and the space after it."""
STYLES: Final = {
    Status.PASS: "green",
    Status.FAIL: "bold red",
    Status.ERROR: "bold magenta",
    Status.NOT_RUN: "bold",
    Status.SKIP: "dim",
}


def show_end(
    console: Console, data: RunData, *, stopped: str | None = None, project: Path | None = None
) -> None:
    """The end of a run, of a report or of a merge; on a terminal it fits the screen above the prompt.

    With a `project` it names the command that repeats the failed cells, which works for the latest run only.
    """
    passing = list(_passing(data))
    above = [*passing, Text()] if passing else []
    below = [*_verdict(data), *([Text(f"Stopped early: {stopped}", style="bold")] if stopped else [])]
    last = [Text(_place(data.folder))]
    if project and data.open_causes:
        last.append(Text(f"again:  {_again(project, data.folder.parent)}"))
    rows = console.height - 1 - _height(console, [*above, *below, *last])
    causes = _causes(console, data.open_causes, rows)
    console.print(Group(*above, *causes, *below), soft_wrap=not console.is_terminal)
    console.print(*last, sep="\n", soft_wrap=True)  # paths and commands that can be copied whole
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for line in report.annotations(data):
            console.print(line, markup=False, soft_wrap=True)


def _again(project: Path, reports: Path) -> str:
    """The command that repeats the failed cells of the latest run in a folder of reports."""
    usual = reports.resolve() == (project / REPORTS).resolve()
    return command(
        "run", "--rerun", "failed", *(() if usual else ("--reports", str(reports))), project=project
    )


def show_place(console: Console, folder: Path) -> None:
    """Where a run's report is."""
    console.print(Text(_place(folder)))


def _passing(data: RunData) -> Iterator[RenderableType]:
    """A line for each scenario with cells that pass."""
    titles = {item.name: item.title for item in data.plan.scenarios}
    planned = Counter(record.cell.scenario for record in data.records)
    passing: dict[str, list[CellRecord]] = {}
    for record in data.records:
        if record.status is Status.PASS:
            passing.setdefault(record.cell.scenario, []).append(record)
    for name, records in list(passing.items())[:SCENARIOS]:
        crashes = sum(record.planned.expectation.must_crash for record in records)
        limited = sum(bool(cautions.cautions(record.result)) for record in records)
        said = f"{text.one_line(name)}: {len(records):,} of {words.cells(planned[name])}"
        said += f", {crashes:,} crash as expected" if crashes else ""
        said += f", {limited:,} with limited evidence" if limited else ""
        line = Text(no_wrap=True, overflow="ellipsis")
        line.append("PASS  ", STYLES[Status.PASS]).append(said)
        yield line.append(f"  {text.one_line(titles[name])}" if titles.get(name) else "", "dim")
    if rest := list(passing.values())[SCENARIOS:]:
        cells = words.cells(sum(len(records) for records in rest))
        yield Text(f"{'':{INDENT}}{cells} of {len(rest)} other scenarios pass", style="green")


def _causes(console: Console, causes: Sequence[Cause], rows: int) -> list[RenderableType]:
    """The causes, as fully and as many as fit in so many rows; all of them in a log."""
    if not causes:
        return []
    if not console.is_terminal:
        shown = [item for cause in causes[:LOG_CAUSES] for item in _cause(cause, console.width, 2)]
        return [*shown, *_more(len(causes) - LOG_CAUSES), Text()]
    for count in range(len(causes), 0, -1):
        for depth in (2, 1, 0, -1):
            shown = [item for cause in causes[:count] for item in _cause(cause, console.width, depth)]
            shown += [*_more(len(causes) - count), Text()]
            if _height(console, shown) <= rows:
                return shown
    return shown


def _more(count: int) -> list[RenderableType]:
    return [Text(f"{'':{INDENT}}{count:,} more causes are in the report")] if count > 0 else []


def _cause(cause: Cause, width: int, depth: int) -> Iterator[RenderableType]:
    """A cause: what happened, in one line with depth -1; from 0 on which cells show it, from 1 on an example.

    With depth 2 a build's log is quoted.
    """
    status = cause_words.status(cause)
    head = Text(cause_words.sentence(cause))
    told = Text(cause_words.extent(cause), style="dim")
    label = "NONE" if status is Status.NOT_RUN else status.upper()
    first = Text(f"{label:{INDENT}}", STYLES[status])
    if depth < 0:
        yield Text.assemble(first, head, no_wrap=True, overflow="ellipsis")
        return
    yield _hanging(first, head, width)
    yield Padding(told, (0, 0, 0, INDENT), expand=False)
    if depth and cause.image is None:
        example = text.one_line(cause.example)
        yield Padding(
            Text(example, overflow="fold"), (0, 0, 0, max(0, min(INDENT, width - len(example)))), expand=False
        )
    if depth > 1 and cause.image:
        for line in cause.image.lines:
            yield Text(f"{'':{INDENT}}| {text.log_line(line)}", no_wrap=True, overflow="ellipsis")
        if cause.image.log:
            yield Padding(
                Text(text.one_line(cause.image.log), overflow="fold"), (0, 0, 0, INDENT), expand=False
            )


def _hanging(label: Text, body: Text, width: int) -> RenderableType:
    """A text behind a label, whose further lines are indented."""
    lines = body.wrap(Console(width=width), max(20, width - INDENT))
    return Group(
        *(
            Text.assemble(label if number == 0 else Text(" " * INDENT), line)
            for number, line in enumerate(lines)
        )
    )


def _verdict(data: RunData) -> Iterator[RenderableType]:
    """The outcome in a sentence, the changes, and, without causes, the explanations."""
    count = data.plan.excluded_count
    excluded = f"; {count:,} {'is' if count == 1 else 'are'} excluded, with reasons" if count else ""
    yield Text.assemble((report.headline(data), "bold"), f"{excluded}.")
    if data.comparison:
        yield Text(text.one_line(data.comparison.sentence, SENTENCE))
    if not data.open_causes:
        yield from (Text(text.one_line(said, SENTENCE)) for said in report.differences(data, EXPLANATIONS))


def _place(folder: Path) -> str:
    first, *others = report.FORMATS
    beside = ", ".join(item.file for item in others)
    return f"report: {_shown(folder / first.file)} (beside it {beside})"


def _shown(path: Path) -> str:
    """A path from the current folder where it lies in it."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _height(console: Console, items: Sequence[RenderableType]) -> int:
    """The rows that these take on the screen."""
    return len(console.render_lines(Group(*items), console.options.update(height=None)))
