"""summary.md, a page for a CI step summary: causes and a small grid first, never larger than the limit."""

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from orchestrator.model import Cause
from orchestrator.report import cause_words, cautions, cell_words, words
from orchestrator.report.markdown import code_markdown, escape_markdown, prose_markdown, table
from orchestrator.report.remedies import remedies
from orchestrator.report.signatures import SignatureGroup, group_signatures
from orchestrator.report.summary_grid import MARKS, grid, letters
from orchestrator.report.text import duration_words, log_line
from orchestrator.rundir import RunData

LIMIT: Final = 1_000_000
"""Bytes; GitHub refuses a step summary of more than 1 MiB (1,048,576)."""
TAIL: Final = 2_000
"""Bytes reserved for the line that says that more follows."""
SENTENCE: Final = 4_000
"""Characters of one explanation, whose number of cells is limited already. Bounds hostile names."""
FIRST: Final = 10
"""Causes in the table of the first lines."""
CAUSES: Final = 30
"""Causes that are told in full below it."""
EXPLANATIONS: Final = 12
SEEN: Final = 120
"""Characters of what was seen in a cell; its page has the whole."""
CHANGES, CELLS, SIGNATURES = 10, 30, 10
"""Rows that name cells, 50 together: what changed, the worst, an example of each signature."""
TREND: Final = {"p": "pass", "f": "fail", "e": "error", "s": "skip", "n": "not run", "-": "not in it"}
"""The letters of a history, in the order of the columns."""
REASONS = 20
"""Reasons for which cells are excluded."""


def summary_markdown(data: RunData) -> str:
    """A run as markdown: causes with a grid, then what is behind them, cut to LIMIT."""
    parts = (
        _head(data),
        _causes(data),
        _facts(data),
        _changed(data),
        _trend(data),
        _differences(data),
        _remedies(data),
        _signatures(group_signatures(data)),
        _excluded(data),
        _cells(data),
    )
    kept: list[str] = []
    size = 0
    for line in itertools.chain.from_iterable(parts):
        size += len(line.encode()) + 1
        if size > LIMIT - TAIL:
            kept += _cut(kept)
            break
        kept.append(line)
    return "\n".join(kept) + "\n"


def _cut(kept: Sequence[str]) -> Iterator[str]:
    yield ""
    yield "This page is full; the rest is in index.html of the run's folder."
    if any(line.startswith("<details>") for line in kept):
        yield "</details>"


def _head(data: RunData) -> Iterator[str]:
    """The first lines: the outcome, the causes, and where in the matrix they are."""
    yield f"## crashmatrix: {words.headline(data)}"
    yield ""
    causes, shown = data.open_causes, letters(data)
    rows = [
        (
            f"{MARKS[cause_words.status(cause)]} **{shown[cause.id]}**",
            escape_markdown(cause_words.sentence(cause)),
            f"{cause.count:,} of {cause.of:,}",
            escape_markdown(cause_words.where(cause)),
            escape_markdown(cause_words.since(cause)),
        )
        for cause in causes[:FIRST]
    ]
    if len(causes) > FIRST:
        rows.append(("", f"{len(causes) - FIRST:,} more causes", "", "", ""))
    if rows:
        yield from table(("", "cause", "cells", "where", "since"), rows)
        yield from grid(data)


def _facts(data: RunData) -> Iterator[str]:
    plan = data.plan
    yield " · ".join(
        f"{mark} {status} **{data.counts[status]:,}**"
        for status, mark in MARKS.items()
        if data.counts[status]
    )
    yield ""
    facts = [("run", plan.run), ("selection", plan.selection), ("engine", plan.engine), ("shard", plan.shard)]
    yield " · ".join(f"{name} {code_markdown(value)}" for name, value in facts if value)
    yield ""
    for said in words.merging(plan):
        yield f"**{escape_markdown(said)}**"
        yield ""


def _causes(data: RunData) -> Iterator[str]:
    """What to do about each cause: its rule, an example, the command that runs its cells again."""
    shown = letters(data)
    for cause in data.open_causes[:CAUSES]:
        yield f"- **{shown[cause.id]}** {escape_markdown(cause_words.sentence(cause))}"
        facts = {"rule": cause_words.rule(cause), "example": cause.example, "run again": cause.command}
        yield from (f"  - {name}: {code_markdown(text, SENTENCE)}" for name, text in facts.items() if text)
        yield from _build(cause)
    if len(data.open_causes) > CAUSES:
        yield f"- {len(data.open_causes) - CAUSES:,} more causes are in index.html"
    for cause in data.fixed_causes[:CAUSES]:
        yield f"- {escape_markdown(f'{cause_words.sentence(cause)} ({cause_words.since(cause)})')}"
    if data.causes:
        yield ""


def _build(cause: Cause) -> Iterator[str]:
    """A failed build: the step, the telling lines of its log as a block, and where the whole is."""
    image = cause.image
    if image is None:
        return
    if image.step:
        yield f"  - step: {code_markdown(image.step)}"
    if image.log:
        yield f"  - whole log: {code_markdown(image.log)}"
    if image.lines:
        yield ""
        yield from (f"        {log_line(line)}" for line in image.lines)
        yield ""


def _changed(data: RunData) -> Iterator[str]:
    comparison = data.comparison
    if comparison is None:
        return
    yield "### What changed"
    yield ""
    yield escape_markdown(comparison.sentence, SENTENCE)
    yield ""
    rows = (
        (str(change.kind), code_markdown(change.cell), escape_markdown(words.change(change), SENTENCE))
        for change in comparison.changes[:CHANGES]
    )
    if comparison.changes:
        yield from table(("", "cell", "what"), rows)
    if len(comparison.changes) > CHANGES:
        yield f"- {len(comparison.changes) - CHANGES:,} more cells changed"
    for item in comparison.not_comparable:
        yield f"- {escape_markdown(words.not_comparable(item), SENTENCE)}"
    if comparison.not_comparable:
        yield ""


def _trend(data: RunData) -> Iterator[str]:
    """The cells of this run in it and in the runs before it, newest first."""
    history = data.history
    if history is None or len(history.runs) < 2:
        return
    yield f"### These cells in the last {len(history.runs)} runs"
    yield ""
    letters = [Counter(column) for column in zip(*history.cells.values(), strict=False)]
    rows = (
        (code_markdown(run.run), *(f"{counts[letter]:,}" if counts[letter] else "" for letter in TREND))
        for run, counts in reversed(list(zip(history.runs, letters, strict=False)))
    )
    yield from table(("run", *TREND.values()), rows)


def _differences(data: RunData) -> Iterator[str]:
    items = list(words.telling(data))
    if not items:
        return
    yield "### What makes the difference"
    yield ""
    noted: set[str] = set()
    for item in items[:EXPLANATIONS]:
        notes = [note for note in item.notes if note not in noted]
        noted.update(notes)
        yield f"- {prose_markdown(' '.join((item.sentence, *notes)), SENTENCE)}"
    if len(items) > EXPLANATIONS:
        yield f"- {len(items) - EXPLANATIONS:,} more explanations are in index.html"
    yield ""


def _remedies(data: RunData) -> Iterator[str]:
    found = remedies(data)
    if not found:
        return
    yield "### Does a mitigation hold?"
    yield ""
    rows = (
        (
            code_markdown(item.scenario),
            code_markdown(item.mitigation),
            escape_markdown(item.words),
            escape_markdown(", ".join(f"{seen} ({count})" for seen, count in item.seen)),
        )
        for item in found
    )
    yield from table(("scenario", "mitigation", "holds in", "seen with it"), rows)


def _signatures(groups: Sequence[SignatureGroup]) -> Iterator[str]:
    if not groups:
        return
    yield "### Crash signatures"
    yield ""
    rows = (
        (
            code_markdown(group.signature),
            str(len(group.occurrences)),
            code_markdown(group.occurrences[0].record.id),
        )
        for group in groups[:SIGNATURES]
    )
    yield from table(("signature", "cells", "for example"), rows)
    if len(groups) > SIGNATURES:
        yield f"{len(groups) - SIGNATURES:,} more signatures are in index.html."
        yield ""


def _excluded(data: RunData) -> Iterator[str]:
    reasons: dict[str, int] = {}
    for item in data.plan.excluded:
        reasons[item.reason] = reasons.get(item.reason, 0) + item.count
    if not reasons:
        return
    yield "### Excluded"
    yield ""
    rows = ((escape_markdown(reason), f"{count:,}") for reason, count in list(reasons.items())[:REASONS])
    yield from table(("reason", "cells"), rows)
    if len(reasons) > REASONS:
        yield f"{len(reasons) - REASONS:,} more reasons are in index.html."
        yield ""


def _cells(data: RunData) -> Iterator[str]:
    """The worst cells; numbered notes say what limits their evidence."""
    shown, count = letters(data), len(data.records)
    title = f"The {CELLS} worst of {words.cells(count)}" if count > CELLS else words.cells(count)
    yield f"<details><summary>{title}</summary>"
    yield ""
    notes: dict[str, int] = {}
    rows: list[Sequence[str]] = []
    for record in data.worst_first[:CELLS]:
        cause = data.cause_of.get(record.id)
        limits = [notes.setdefault(said, len(notes) + 1) for said in cautions.cautions(record.result)]
        rows.append(
            (
                f"{MARKS[record.status]} {record.status}",
                f"**{shown[cause.id]}**" if cause else "",
                code_markdown(record.id),
                escape_markdown(cell_words.cell_seen(record), SEEN),
                ", ".join(map(str, limits)),
                duration_words(record.result.seconds) if record.result else "",
            )
        )
    yield from table(("", "cause", "cell", "seen", "notes", "time"), rows)
    yield from (f"- note {number}: {escape_markdown(said)}" for said, number in notes.items())
    if notes:
        yield ""
    yield "</details>"
