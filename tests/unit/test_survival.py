"""The guarantees of the sequential test, exactly and by drawing."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from orchestrator.model import Decision, Survival
from orchestrator.model.survival import fixed_test

CLAIMS = [
    Survival(rate=0.05, tolerate=0.001),
    Survival(rate=0.05, tolerate=0.005),
    Survival(rate=0.05, tolerate=0.02),
    Survival(rate=0.1, tolerate=0.01),
    Survival(rate=0.05, confidence=0.99, tolerate=0.005),
    Survival(rate=0.5, tolerate=0.25),
]


def test_fifty_nine_quiet_trials_and_one_loud_one() -> None:
    design = Survival(rate=0.05).design
    assert design.most == 59
    assert [design.decide(0, trials) for trials in (1, 58, 59)] == [
        Decision.GO_ON, Decision.GO_ON, Decision.CLAIM,
    ]  # fmt: skip
    assert {design.decide(1, trials) for trials in range(1, 60)} == {Decision.GIVE_UP}


def test_where_nothing_is_tolerated_trials_are_saved_at_every_rate_but_zero() -> None:
    design = Survival(rate=0.05).design
    assert design.behaviour(0) == (1.0, 59.0)
    for rate in (0.001, 0.01, 0.05, 0.3):
        claim, mean = design.behaviour(rate)
        assert claim == pytest.approx((1 - rate) ** 59)
        assert mean == pytest.approx((1 - (1 - rate) ** 59) / rate)
        assert mean < 59


@pytest.mark.parametrize("survival", CLAIMS, ids=str)
def test_both_guarantees_hold_exactly_at_every_rate(survival: Survival) -> None:
    design = survival.design
    for step in range(11):
        over = survival.rate + step * (1 - survival.rate) / 10
        assert design.behaviour(over)[0] <= 1 - survival.confidence + 1e-12
        assert design.behaviour(survival.tolerate * step / 10)[0] >= survival.confidence - 1e-12


@pytest.mark.parametrize("survival", CLAIMS, ids=str)
def test_it_needs_fewer_trials_on_average_than_the_fixed_test_at_every_rate(survival: Survival) -> None:
    fixed, _ = fixed_test(survival.rate, survival.confidence, survival.tolerate)
    means = [survival.design.behaviour(step * survival.rate / 20)[1] for step in range(41)]
    assert max(means) < fixed
    assert means[0] < 0.75 * fixed


@pytest.mark.parametrize("rate", [0.0, 0.005, 0.02, 0.05])
def test_drawn_trials_behave_as_computed(rate: float) -> None:
    design = Survival(rate=0.05, tolerate=0.005).design
    draw = random.Random(4)  # noqa: S311 - repeatable on purpose
    runs, claims, total = 4000, 0, 0
    for _ in range(runs):
        wrong = trials = 0
        while (decision := design.decide(wrong, trials)) is Decision.GO_ON:
            trials += 1
            wrong += draw.random() < rate
        claims += decision is Decision.CLAIM
        total += trials
    claim, mean = design.behaviour(rate)
    spread = 4 * math.sqrt(claim * (1 - claim) / runs)
    assert claims / runs == pytest.approx(claim, abs=spread + 1e-9)
    assert total / runs == pytest.approx(mean, rel=0.05)


@settings(max_examples=25)
@given(st.floats(0.05, 0.6), st.floats(0.6, 0.99), st.floats(0.01, 0.25))
def test_any_design_keeps_its_word(rate: float, confidence: float, part: float) -> None:
    survival = Survival(rate=rate, confidence=confidence, tolerate=rate * part)
    design = survival.design
    assert design.behaviour(rate)[0] <= 1 - confidence + 1e-12
    assert design.behaviour(rate * part)[0] >= confidence - 1e-12
    assert all(design.decide(wrong, design.most) is not Decision.GO_ON for wrong in range(design.most + 1))


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"rate": 0.05, "tolerate": 0.05}, "must be below the rate"),
        ({"rate": 0.0001}, "more than 10000 trials"),
        ({"rate": 0.01, "tolerate": 0.009}, "more than 1000 trials"),
        ({"rate": 0}, "greater than or equal to 0.000001"),
        ({"rate": 0.1, "confidence": 1}, "less than 1"),
    ],
)
def test_a_claim_that_cannot_be_tested_is_refused(values: dict[str, float], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Survival(**values)
