"""Workflow commands of GitHub: each failure as an annotation of the job that found it.

GitHub shows ten annotations of a kind for each step and drops the rest silently, so the last one here
counts the others. https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions
"""

from collections.abc import Iterator
from typing import Final

from orchestrator.model import Subject
from orchestrator.report.text import one_line
from orchestrator.rundir import RunData, Status

MOST: Final = 10
LENGTH: Final = 3_000
"""Characters of a message; GitHub cuts one at 4 KiB."""


def annotations(data: RunData) -> tuple[str, ...]:
    """At most ten `::error` lines, worst first: explanations of failures, then cells that no rule covers."""
    found = list(_found(data))
    if len(found) > MOST:
        more = len(found) - MOST + 1
        found[MOST - 1 :] = [("crashmatrix", f"{more:,} more are in summary.md and index.html")]
    return tuple(f"::error title={_property(title)}::{_message(text)}" for title, text in found)


def _found(data: RunData) -> Iterator[tuple[str, str]]:
    covered: set[str] = set()
    for item in data.explanations:
        if item.subject is Subject.FAILURE and item.rules:
            covered.update(item.cells)
            yield item.name, item.words
    for record in data.worst_first:
        wrong = record.status in (Status.FAIL, Status.ERROR, Status.NOT_RUN)
        if wrong and record.id not in covered:
            yield record.id, f"{record.status}: {record.reason}"


def _message(text: str) -> str:
    """The text on one line. The runner gives a meaning to `%` and line ends, so they are escaped."""
    return one_line(text, LENGTH).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")
