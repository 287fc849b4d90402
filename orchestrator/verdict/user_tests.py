"""The user's tests in words: the failed ones, or why there are none."""

from collections.abc import Container
from typing import Final

from orchestrator.model import CaseOutcome, Outcome, OutcomeKind, Trial, UserTests

NAMED: Final = 3
"""Tests and problems that a reason names; the report has all."""
FAILED: Final = frozenset({CaseOutcome.FAILED, CaseOutcome.ERROR})
CUT_OFF: Final = frozenset({CaseOutcome.CRASHED, CaseOutcome.HUNG})
INTERRUPTED, INTERNAL_ERROR, NO_TESTS = 2, 3, 5
"""Exit statuses of pytest (pytest.ExitCode)."""


def words_of_tests(trial: Trial) -> str:
    """The result of a trial's tests, in a few words; empty if none failed.

    Crashed processes are left out; their crashes are reported instead.
    """
    outcome, tests = trial.outcome, trial.outcome.tests
    if tests is None:
        return ""
    crashed = {other.process.doing for other in trial.others}
    if outcome.kind is not OutcomeKind.EXIT:
        crashed.add(outcome.doing)
    said = [*tests.problems[:NAMED], *_failures(tests), *_cut_off(tests, crashed)]
    if said or outcome.kind is not OutcomeKind.EXIT:
        return "; ".join(said)
    return {
        INTERRUPTED: "pytest was interrupted",
        INTERNAL_ERROR: "internal error of pytest",
        NO_TESTS: "pytest collected no tests",
    }.get(outcome.status or 0, "")


def unended(outcome: Outcome) -> bool:
    """Whether a test ended its process, so that an exit status of 0 tells nothing of it."""
    tests = outcome.tests
    return tests is not None and any(case.outcome in CUT_OFF for case in tests.cases)


def _failures(tests: UserTests) -> list[str]:
    """How many tests failed, and the first of them; the reason where there is one."""
    failed = [case for case in tests.cases if case.outcome in FAILED]
    count = sum(tests.counts.get(outcome, 0) for outcome in FAILED)
    if not failed:
        return []
    named = ", ".join(case.node for case in failed[:NAMED])
    more = f" and {count - NAMED} more" if count > NAMED else ""
    why = f": {failed[0].message}" if count == 1 and failed[0].message else ""
    return [f"{count} of {tests.total} tests failed: {named}{more}{why}"]


def _cut_off(tests: UserTests, crashed: Container[str | None]) -> list[str]:
    """Tests whose process ended while they ran, without those that are named as `crashed`."""
    cut = [case for case in tests.cases if case.outcome in CUT_OFF and case.node not in crashed]
    said = [f"{case.node}: {case.message or case.outcome}" for case in cut[:NAMED]]
    more = [f"{len(cut) - NAMED} more tests did not end"] if len(cut) > NAMED else []
    return [*said, *more]
