"""A cause as an issue of the user's own repository: title, text, why it is closed and opened again."""

from collections.abc import Iterator
from typing import Final

from orchestrator.model import Cause, TrackedIssue
from orchestrator.report import cause_words
from orchestrator.report.markdown import code_markdown, escape_markdown
from orchestrator.report.text import log_line, one_line

TITLE: Final = 200
"""Characters of a title; GitHub takes 256."""
COMMAND: Final = 2_000


def issue_title(cause: Cause) -> str:
    """What happened in which scenario; plain text, in which GitHub sees no markup."""
    return one_line(cause_words.sentence(cause), TITLE)


def issue_text(cause: Cause, run: str, url: str) -> str:
    """A cause as Markdown, as the night `run` saw it. The first line tells the cause to later nights."""
    return "\n".join((TrackedIssue.mark(cause.id), *_lines(cause), "", _seen(run, url), ""))


def gone_text(run: str, url: str) -> str:
    """Why an issue is closed."""
    return f"All cells that showed this ran in {code_markdown(run)} without it ([run]({url})): closed."


def again_text(run: str, url: str) -> str:
    """Why an issue is opened again."""
    return f"It is there again in {code_markdown(run)} ([run]({url}))."


def _seen(run: str, url: str) -> str:
    return (
        f"Last seen in {code_markdown(run)}; [the run]({url}) has the report. crashmatrix rewrites this "
        "text each night, and closes the issue when all these cells ran without this. One that you close as "
        "not planned stays closed."
    )


def _lines(cause: Cause) -> Iterator[str]:
    yield f"**{escape_markdown(cause_words.sentence(cause))}**"
    yield ""
    yield f"- cells: {escape_markdown(cause_words.extent(cause), COMMAND)}"
    facts = {"rule": cause_words.rule(cause), "example": cause.example, "run again": cause.command}
    yield from (f"- {name}: {code_markdown(text, COMMAND)}" for name, text in facts.items() if text)
    if cause.image and cause.image.lines:
        yield ""
        yield from (f"        {log_line(line)}" for line in cause.image.lines)
