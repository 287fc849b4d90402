"""What is said of a trial that left its /work full, and of a host where nothing limits that."""

from dataclasses import replace

import pytest

from orchestrator.host import State
from orchestrator.host.doctor import work_limit
from orchestrator.model import DISK_FULL, Expectation, OutcomeKind, PlannedCell, Verdict
from orchestrator.report.cautions import cautions
from orchestrator.verdict.judge import Observation, judge_trial
from tests.unit import run_factory as factory
from tests.unit.test_host_plan import READY

STATED = Expectation(kind=OutcomeKind.EXIT, status=0, because="it must")
DEFAULT = Expectation(kind=OutcomeKind.EXIT, status=0, because="a clean end", is_default=True)


@pytest.mark.parametrize("expectation", [STATED, DEFAULT])
@pytest.mark.parametrize(("status", "verdict"), [(0, Verdict.PASS), (1, Verdict.FAIL)])
@pytest.mark.parametrize("full", [True, False])
def test_a_full_disk_is_in_the_reason(
    expectation: Expectation, status: int, verdict: Verdict, full: bool
) -> None:
    trial = factory.quiet_trial(factory.cell())
    outcome = trial.outcome.model_copy(update={"status": status, "disk_full": full})
    observation = Observation(trial=trial.model_copy(update={"outcome": outcome}), text="")
    judged = judge_trial(expectation, observation)
    assert judged.verdict is verdict
    assert judged.reason.endswith(f"; {DISK_FULL}") == full


def test_it_is_a_limit_of_the_evidence() -> None:
    item = factory.cell(1, "plain")
    planned = PlannedCell(cell=item, expectation=STATED, trials=1, timeout=60, image=factory.KEY)
    trial = factory.quiet_trial(item)
    full = trial.model_copy(update={"outcome": trial.outcome.model_copy(update={"disk_full": True})})
    result = factory.result_of(planned).model_copy(update={"trials": (trial, full)})
    assert cautions(result) == (DISK_FULL,)


def test_doctor_says_why_nothing_limits_it() -> None:
    assert work_limit(READY).state is State.OK
    found = work_limit(replace(READY, engine=replace(READY.engine, unlimited="no loop devices")))
    assert (found.state, found.found, found.blocks) == (State.DEGRADED, "no loop devices", False)
