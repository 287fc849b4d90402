"""From a run's causes and the issues that are there to what must be done: one issue a cause, never two."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from orchestrator.model import Cause, CauseKind, TrackedIssue

UNTRACKED: Final = frozenset({CauseKind.ENGINE, CauseKind.HOST, CauseKind.NOT_RUN})
"""Kinds that say something of one night's machines: the job itself fails by them."""


class StepKind(StrEnum):
    """What is done about a cause."""

    OPEN = "open"
    UPDATE = "update"
    REOPEN = "reopen"
    CLOSE = "close"
    IGNORED = "ignored"
    """It is there, and a person closed its issue as not planned."""
    TOO_MANY = "too many"
    """It is new, but as many issues as a night may open are open already."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """What is done about one cause; `issue` is None where there is none yet."""

    kind: StepKind
    cause: str
    issue: TrackedIssue | None = None


def steps(
    causes: Sequence[Cause], issues: Iterable[TrackedIssue], is_gone: Callable[[str], bool], *, most_new: int
) -> list[Step]:
    """What a run's open causes mean for their issues, in the order of the causes; then what is closed.

    `is_gone` says of a cause which the run does not show whether the run saw all its cells: an issue is
    closed only then, so that a night which lost a shard closes nothing. Of several issues of one cause
    the oldest counts. At most `most_new` are opened at once.
    """
    known: dict[str, TrackedIssue] = {}
    for issue in sorted(issues, key=lambda item: item.number):
        known.setdefault(issue.cause, issue)
    present = {cause.id: cause for cause in causes if cause.kind not in UNTRACKED}
    found = [_step(cause, known.get(cause)) for cause in present]
    opened = [step for step in found if step.kind is StepKind.OPEN]
    late = {step.cause for step in opened[most_new:]}
    return [
        *(Step(kind=StepKind.TOO_MANY, cause=step.cause) if step.cause in late else step for step in found),
        *(
            Step(kind=StepKind.CLOSE, cause=cause, issue=issue)
            for cause, issue in known.items()
            if issue.is_open and cause not in present and is_gone(cause)
        ),
    ]


def _step(cause: str, issue: TrackedIssue | None) -> Step:
    if issue is None:
        return Step(kind=StepKind.OPEN, cause=cause)
    if issue.is_open:
        return Step(kind=StepKind.UPDATE, cause=cause, issue=issue)
    kind = StepKind.IGNORED if issue.not_planned else StepKind.REOPEN
    return Step(kind=kind, cause=cause, issue=issue)
