"""Workflow commands of GitHub: each cause as an annotation of the job that found it, at its scenario's rule.

GitHub shows ten annotations of a kind for each step and drops the rest silently, so the last one here
counts the others. https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions
"""

import re
from typing import Final

from orchestrator.model import Cause
from orchestrator.report import cause_words
from orchestrator.report.text import one_line
from orchestrator.rundir import RunData

MOST: Final = 10
LENGTH: Final = 3_000
"""Characters of a message; GitHub cuts one at 4 KiB."""


def annotations(data: RunData) -> tuple[str, ...]:
    """At most ten `::error` lines, worst first."""
    causes = data.open_causes
    shown = causes if len(causes) <= MOST else causes[: MOST - 1]
    found = [_command(_properties(data, cause), list(cause_words.lines(cause))) for cause in shown]
    if more := len(causes) - len(shown):
        found.append(
            _command({"title": "crashmatrix"}, [f"{more:,} more causes are in summary.md and index.html"])
        )
    return tuple(found)


def _properties(data: RunData, cause: Cause) -> dict[str, str]:
    """The title, and the file and line of the rule where there is one."""
    title = {"title": cause_words.sentence(cause)}
    if cause.place is None:
        return title
    place = {"file": cause_words.repository_file(data, cause.place)}
    if cause.place.line is not None:
        place["line"] = str(cause.place.line)
    return place | title


def _command(properties: dict[str, str], lines: list[str]) -> str:
    """A workflow command. The runner gives a meaning to `%` and line ends, so they are escaped."""
    message = "%0A".join(line.replace("%", "%25").replace("\n", " ").replace("\r", " ") for line in lines)
    named = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    if len(message) > LENGTH:
        message = re.sub(r"%.?$", "", message[:LENGTH])
    return f"::error {named}::{message}"


def _property(text: str) -> str:
    return one_line(text, LENGTH).replace("%", "%25").replace(":", "%3A").replace(",", "%2C")
