"""The user's own tests in one trial, as the pytest plugin in the container reports them."""

from enum import StrEnum
from typing import Final

from orchestrator.model.base import Integer, Moment, Seconds, Value


class CaseOutcome(StrEnum):
    """How one of the user's tests ended, in pytest's words for all but the last three."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    SKIPPED = "skipped"
    XFAILED = "xfailed"
    XPASSED = "xpassed"
    CRASHED = "crashed"
    """Its process ended while it ran."""
    HUNG = "hung"
    UNKNOWN = "unknown"
    """pytest reported no outcome, or the test was cut off by the end of another process."""

    @property
    def is_bad(self) -> bool:
        """Whether it counts as a failure."""
        return self in _BAD


_BAD: Final = frozenset({CaseOutcome.FAILED, CaseOutcome.ERROR, CaseOutcome.CRASHED, CaseOutcome.HUNG})


class UserCase(Value):
    """One of the user's tests. Times are in seconds, `started` and `ended` since the epoch."""

    node: str
    """pytest's node id: `tests/test_parse.py::test_empty`."""
    outcome: CaseOutcome
    seconds: Seconds = 0.0
    message: str | None = None
    """The first line of its failure, or the reason why it was skipped."""
    detail: str | None = None
    """The end of the failure's whole text."""
    worker: str | None = None
    """The worker of pytest-xdist that ran it."""
    pid: Integer | None = None
    started: Moment = 0.0
    ended: Moment | None = None
    """None if its process ended first."""


class UserTests(Value):
    """The user's tests of one trial, in the order in which they started.

    `left_out` further ones are counted and not kept here; those that failed are kept first. `path` is the
    plugin's whole log in the run's folder.
    """

    counts: dict[CaseOutcome, Integer] = {}
    cases: tuple[UserCase, ...] = ()
    left_out: Integer = 0
    not_run: Integer = 0
    """Tests that were selected and had no turn."""
    problems: tuple[str, ...] = ()
    """Modules that could not be collected and why, refused options, and internal errors of pytest."""
    path: str | None = None

    @property
    def total(self) -> int:
        """The number of tests that ran or were skipped."""
        return sum(self.counts.values())

    def crashed_in(self, pid: int | None) -> UserCase | None:
        """The test that ran in a process when that ended."""
        found = (case for case in reversed(self.cases) if case.pid == pid and case.ended is None)
        return next(found, None) if pid is not None else None

    def running_at(self, moment: float) -> UserCase | None:
        """The one test that ran at a moment, in seconds since the epoch; None if several did.

        A test that did not end is not among them: the crash of its own process is known by the pid.
        """
        found = [case for case in self.cases if case.ended and case.started <= moment <= case.ended]
        return found[0] if len(found) == 1 else None
