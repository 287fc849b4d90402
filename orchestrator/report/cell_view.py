"""The contents of a cell's page: the streams, the tests and the plot of its trials."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Final

from orchestrator.model import CellResult, OutcomeKind, UserCase, UserTests
from orchestrator.report import cell_words
from orchestrator.report.text import Excerpt, duration_words, read_excerpt
from orchestrator.rundir import CellRecord, RunData

PLOTTED: Final = 240
"""Trials that a cell's plot shows."""
TRIALS: Final = 100
"""Trials that a cell's table lists."""
TESTS: Final = 300
"""The user's tests that a cell's page lists."""


@dataclass(frozen=True, kw_only=True)
class Stream:
    """A trial's stdout or stderr; `excerpt` is None if the file is missing."""

    name: str
    path: str
    cut: bool
    excerpt: Excerpt | None


@dataclass(frozen=True, kw_only=True)
class TrialBar:
    """A trial in the plot of its cell; `height` from 0 to 1, the longest trial shown being 1."""

    number: int
    height: float
    crashed: bool
    seconds: float
    words: str


def streams(data: RunData, record: CellRecord, limit: int) -> tuple[Stream, ...]:
    """The output of the representative trial, up to `limit` bytes of each stream, stderr first.

    The excerpts are raw; templates print them through `coloured`, which makes them harmless.
    """
    trial = cell_words.telling_trial(record.result) if record.result else None
    if trial is None:
        return ()
    found: list[Stream] = []
    for name, path in (("stderr", trial.outcome.stderr), ("stdout", trial.outcome.stdout)):
        with data.opened(path) or nullcontext() as stream:
            excerpt = read_excerpt(stream, limit, str) if stream else None
        found.append(
            Stream(name=name, path=path, cut=name in trial.outcome.truncated_streams, excerpt=excerpt)
        )
    return tuple(found)


def shown_tests(tests: UserTests) -> Sequence[UserCase]:
    """The tests that a page shows, those that failed first."""
    return sorted(tests.cases, key=lambda case: not case.outcome.is_bad)[:TESTS]


def trial_plot(result: CellResult) -> tuple[TrialBar, ...]:
    """The trials as bars; the height is the duration. A trial alone is not plotted."""
    trials = result.trials[:PLOTTED] if len(result.trials) > 1 else ()
    longest = max((trial.outcome.seconds for trial in trials), default=0.0) or 1.0
    return tuple(
        TrialBar(
            number=trial.number,
            height=max(0.08, trial.outcome.seconds / longest),
            crashed=bool(trial.crashes) or trial.outcome.kind is OutcomeKind.SIGNAL,
            seconds=trial.outcome.seconds,
            words=f"trial {trial.number}: {cell_words.trial_seen(trial)}, "
            f"{duration_words(trial.outcome.seconds)}",
        )
        for trial in trials
    )
