"""What a night reads from a CI system's service: artifacts of earlier runs, and issues of causes."""

import re
from typing import Final, Self

from orchestrator.model.base import Integer, Value

_MARK: Final = re.compile(r"<!-- crashmatrix cause: ([a-z0-9][a-z0-9-]{0,99}) -->")


class Artifact(Value):
    """Files that a run of a workflow left."""

    id: Integer
    expired: bool
    run: Integer
    """The run of the workflow, whose number grows; a re-run keeps it."""
    branch: str
    repository: Integer
    head_repository: Integer
    """The repository that the run's commit is of: another one for a pull request from a fork."""


class TrackedIssue(Value):
    """An issue that stands for a cause."""

    number: Integer
    cause: str
    """The cause's id, which the text of the issue begins with, in a comment."""
    is_open: bool
    not_planned: bool = False
    """Whether it was closed as not planned: a person decided that it stays."""
    title: str = ""
    body: str = ""

    @classmethod
    def of(cls, *, number: int, is_open: bool, not_planned: bool, title: str, body: str) -> Self | None:
        """An issue as the service has it; None where it stands for no cause."""
        # The service answers with the line ends of a form.
        mark = _MARK.match(body)
        if mark is None:
            return None
        return cls(
            number=number,
            cause=mark[1],
            is_open=is_open,
            not_planned=not_planned,
            title=title,
            body=body.replace("\r\n", "\n"),
        )

    @staticmethod
    def mark(cause: str) -> str:
        """The first line of the text of a cause's issue."""
        return f"<!-- crashmatrix cause: {cause} -->"
