"""A crash as Markdown, to paste into an issue of the project that it belongs to."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from orchestrator.adapters.visible import visible
from orchestrator.model import Crash
from orchestrator.model.cell import ABSENT
from orchestrator.report import cell_words, crash_words, hangs
from orchestrator.report.markdown import code_markdown, escape_markdown
from orchestrator.rundir import CellRecord


class Issue(NamedTuple):
    """The text before the stack, the stack as plain text, and the text behind it."""

    before: str
    stack: str
    after: str


def issue_of(record: CellRecord, crash: Crash) -> Issue:
    """A crash of a cell. Nothing in it can end a block of code: the fence is longer than any in the text."""
    stack = visible(crash_words.backtrace_text(crash))
    repeat = visible(record.result.repeat) if record.result else ""
    runs = (len(found) for found in re.findall("`+", f"{stack}\n{repeat}"))
    fence = "`" * max(3, 1 + max(runs, default=0))
    what = "Main thread" if crash.hang else "Crashed thread"
    before = [*_facts(record, crash), "", f"{what}, innermost frame first:", "", f"{fence}text", ""]
    after = ["", fence, *(["", "To repeat it:", "", f"{fence}sh", repeat, fence] if repeat else []), ""]
    return Issue("\n".join(before), stack, "\n".join(after))


def _facts(record: CellRecord, crash: Crash) -> Iterator[str]:
    yield f"### {escape_markdown(crash.signature)}"
    yield ""
    if crash.hang:
        yield f"- {escape_markdown(hangs.sentence(crash))}"
    else:
        meaning = f": {crash.signal.meaning}" if crash.signal.meaning else ""
        yield f"- Signal: {escape_markdown(crash_words.signal_words(crash.signal) + meaning)}"
        yield f"- Where: {code_markdown(crash_words.site_words(crash))}"
    if crash.message:
        yield f"- Message: {code_markdown(crash.message)}"
    yield f"- Environment: {escape_markdown(', '.join(_environment(record)))}"
    packages = record.result.packages if record.result else {}
    if packages:
        named = ", ".join(f"{name} {version}" for name, version in packages.items())
        yield f"- Packages: {escape_markdown(named, 2000)}"


def _environment(record: CellRecord) -> Iterator[str]:
    cell, trial = record.cell, cell_words.telling_trial(record.result) if record.result else None
    seen = trial.outcome.versions if trial else {}
    yield f"CPython {seen.get('python', cell.python)}"
    yield f"glibc {seen.get('glibc', cell.glibc)}"
    yield f"{cell.arch}{' (emulated)' if trial and trial.outcome.emulated else ''}"
    yield f"started by {cell.launcher}"
    yield from (f"{name} {value}" for name, value in cell.own if value != ABSENT)
