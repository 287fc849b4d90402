"""A cause in plain text, the same on the terminal, in junit.xml, summary.md and annotations."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from orchestrator.model import Cause, CauseKind, Place
from orchestrator.report import words
from orchestrator.report.text import log_line, one_line
from orchestrator.rundir import CellRecord, RunData, Status

WORKSPACES: Final = ("GITHUB_WORKSPACE", "CI_PROJECT_DIR")
"""Where GitHub and GitLab have checked the repository out: files that they link are relative to it."""


COMMAND: Final = 2_000
"""Characters of a command that runs a cause's cells again: it names up to a handful of cells."""


def status(cause: Cause) -> Status:
    """The status of a cause's cells."""
    return Status(cause.verdict.value) if cause.verdict else Status.NOT_RUN


def what(cause: Cause) -> str:
    """What happened, and what was expected instead."""
    told = cause.expected and cause.kind is not CauseKind.MISSING
    return one_line(f"{cause.title}; expected {cause.expected}" if told else cause.title)


def sentence(cause: Cause) -> str:
    """What happened in which scenario, and what was expected instead."""
    return f"{one_line(cause.scenario)}: {what(cause)}" if cause.scenario else what(cause)


def share(cause: Cause) -> str:
    """The share of its cells among those that could show it."""
    return f"{cause.count:,} of {words.cells(cause.of)}"


def rule(cause: Cause) -> str:
    """The file and line of the rule that states the example's expectation; empty where there is none."""
    return place_text(cause.place) if cause.place else ""


def place_text(place: Place) -> str:
    """A file and a line."""
    return one_line(place.file if place.line is None else f"{place.file}:{place.line}")


def place_of(record: CellRecord) -> Place | None:
    """The line that states a cell's expectation."""
    stated = record.planned.expectation.where
    return Place.of(stated, record.cell.scenario) if stated else None


def where(cause: Cause) -> str:
    """The cells that show it, as a rule; empty without one."""
    return one_line(cause.where.text) if cause.where else ""


def since(cause: Cause) -> str:
    """How it compares with earlier runs; empty where there are none."""
    return one_line(words.since(cause))


def extent(cause: Cause) -> str:
    """The number of cells that show it, the rule, and since when, in a line."""
    told = f"{share(cause)}: {where(cause)}" if cause.where else share(cause)
    return f"{told}; {since(cause)}" if since(cause) else told


def lines(cause: Cause) -> Iterator[str]:
    """A cause as a paragraph: what happened in the first line, then where, and what to do."""
    known = f" ({since(cause)})" if since(cause) else ""
    yield f"{status(cause).upper()}, {share(cause)}{known}: {sentence(cause)}"
    facts = {"where": where(cause), "rule": rule(cause), "example": one_line(cause.example)}
    facts["run again"] = one_line(cause.command, COMMAND)
    yield from (f"  {name}: {text}" for name, text in facts.items() if text)
    if cause.image:
        yield from (f"  | {log_line(line)}" for line in cause.image.lines)
        if cause.image.log:
            yield f"  whole log: {one_line(cause.image.log)}"


def repository_file(data: RunData, place: Place, environ: Mapping[str, str] = os.environ) -> str:
    """The file of a place relative to the repository, where a CI system says where that lies."""
    for folder in (data.folder.parent.parent, Path.cwd()):
        file = (folder / place.file).absolute()
        if ".." not in file.parts and file.is_file():
            for name in WORKSPACES:
                if environ.get(name) and file.is_relative_to(environ[name]):
                    return str(file.relative_to(environ[name]))
    return place.file
