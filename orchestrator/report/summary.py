"""summary.md: a page for a CI step summary, worst first, never larger than the limit."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Final

from orchestrator.report import words
from orchestrator.report.markdown import code_markdown, escape_markdown, table
from orchestrator.report.remedies import remedies
from orchestrator.report.signatures import SignatureGroup, group_signatures
from orchestrator.report.text import duration_words
from orchestrator.rundir import CellRecord, RunData, Status

LIMIT: Final = 1_000_000
"""Bytes; GitHub refuses a step summary of more than 1 MiB (1,048,576)."""
TAIL: Final = 2_000
"""Bytes reserved for the line that says that more follows."""
SENTENCE: Final = 4_000
"""Characters of one explanation, whose number of cells is limited already. Bounds hostile names."""
EXPLANATIONS: Final = 30
MARKS: Final = {
    Status.FAIL: "❌ fail",
    Status.ERROR: "⚠️ error",
    Status.NOT_RUN: "⭕ not run",
    Status.SKIP: "⏭️ skip",
    Status.PASS: "✅ pass",
}


def summary_markdown(data: RunData) -> str:
    """A run as markdown: counts, what is wrong, crash signatures, then every cell, cut to LIMIT."""
    parts = (
        _head(data),
        _changed(data),
        _wrong(data),
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
    plan = data.plan
    yield f"## crashmatrix: {words.headline(data)}"
    yield ""
    yield " · ".join(f"{mark} **{data.counts[status]:,}**" for status, mark in MARKS.items())
    yield ""
    facts = [("run", plan.run), ("selection", plan.selection), ("engine", plan.engine), ("shard", plan.shard)]
    yield " · ".join(f"{name} {code_markdown(value)}" for name, value in facts if value)
    yield ""
    for sentence in words.merging(plan):
        yield f"**{escape_markdown(sentence)}**"
        yield ""


def _wrong(data: RunData) -> Iterator[str]:
    wrong = [
        record for record in data.worst_first if record.status in (Status.FAIL, Status.ERROR, Status.NOT_RUN)
    ]
    if not wrong:
        return
    yield "### What is wrong"
    yield ""
    yield from table(("", "cell", "why", "caution"), (_wrong_row(record) for record in wrong))


def _wrong_row(record: CellRecord) -> tuple[str, ...]:
    cautions = "; ".join(words.cautions(record.result))
    return (
        MARKS[record.status],
        code_markdown(record.id),
        escape_markdown(record.reason),
        escape_markdown(cautions),
    )


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
        for change in comparison.changes
    )
    if comparison.changes:
        yield from table(("", "cell", "what"), rows)
    for item in comparison.not_comparable:
        yield f"- {escape_markdown(words.not_comparable(item), SENTENCE)}"
    if comparison.not_comparable:
        yield ""


def _differences(data: RunData) -> Iterator[str]:
    said = list(words.differences(data, EXPLANATIONS))
    if not said:
        return
    yield "### What makes the difference"
    yield ""
    yield from (f"- {escape_markdown(sentence, SENTENCE)}" for sentence in said)
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
        for group in groups
    )
    yield from table(("signature", "cells", "for example"), rows)


def _excluded(data: RunData) -> Iterator[str]:
    reasons: dict[str, int] = {}
    for item in data.plan.excluded:
        reasons[item.reason] = reasons.get(item.reason, 0) + item.count
    if not reasons:
        return
    yield "### Excluded"
    yield ""
    rows = ((escape_markdown(reason), f"{count:,}") for reason, count in reasons.items())
    yield from table(("reason", "cells"), rows)


def _cells(data: RunData) -> Iterator[str]:
    yield f"<details><summary>All {words.cells(len(data.records))}</summary>"
    yield ""
    rows = (
        (
            MARKS[record.status],
            code_markdown(record.id),
            escape_markdown(words.cell_seen(record)),
            duration_words(record.result.seconds) if record.result else "",
        )
        for record in data.worst_first
    )
    yield from table(("", "cell", "seen", "time"), rows)
    yield "</details>"
