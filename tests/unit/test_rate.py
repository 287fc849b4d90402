import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.model.rate import Rate, at_most, percent, upper_bound


@pytest.mark.parametrize(
    ("count", "trials", "low", "high"),
    [
        # Published tables and R's binom.test.
        (0, 10, 0.0, 0.3084971),
        (1, 20, 0.001265089, 0.2487328),
        (3, 20, 0.03207094, 0.3789268),
        (10, 20, 0.2719578, 0.7280422),
        (20, 20, 0.8315665, 1.0),
        (682, 925, 0.7076683, 0.7654066),
    ],
)
def test_known_intervals(count: int, trials: int, low: float, high: float) -> None:
    rate = Rate.of("crashed", count, trials)
    assert (rate.low, rate.high) == pytest.approx((low, high), rel=1e-5)


def test_fifty_nine_quiet_trials_are_under_five_percent_and_fifty_eight_are_not() -> None:
    assert upper_bound(0, 59) < 0.05 < upper_bound(0, 58)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 60), st.floats(0.001, 0.999), st.sampled_from([0.8, 0.95, 0.99]))
def test_the_interval_holds_the_true_rate_as_often_as_it_says(
    trials: int, true: float, confidence: float
) -> None:
    """Exactly, over all outcomes, not by drawing."""
    held = sum(
        math.comb(trials, count) * true**count * (1 - true) ** (trials - count)
        for count in range(trials + 1)
        if (rate := Rate.of("x", count, trials, confidence)).low <= true <= rate.high
    )
    assert held >= confidence - 1e-9


@pytest.mark.parametrize("true", [0.02, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("most", [5, 59])
def test_it_also_holds_where_trials_stop_at_the_first_event(true: float, most: int) -> None:
    held = (1 - true) ** most * (Rate.of("x", 0, most).high >= true)
    for last in range(1, most + 1):
        rate = Rate.of("x", 1, last)
        held += true * (1 - true) ** (last - 1) * (rate.low <= true <= rate.high)
    assert held >= 0.95


@settings(deadline=None)
@given(st.integers(1, 400), st.floats(0, 1))
def test_the_distribution_rises_to_one(trials: int, rate: float) -> None:
    values = [at_most(count, trials, rate) for count in range(trials + 1)]
    assert all(one <= other + 1e-12 for one, other in pairwise(values))
    assert values[-1] == 1


def test_ten_thousand_trials_do_not_underflow() -> None:
    assert at_most(500, 10_000, 0.05) == pytest.approx(0.5118, abs=1e-3)


def test_rates_part_only_where_their_intervals_do() -> None:
    assert Rate.of("x", 0, 59).parts_from(Rate.of("x", 10, 20))
    assert not Rate.of("x", 0, 59).parts_from(Rate.of("x", 1, 20))


@pytest.mark.parametrize(("count", "trials"), [(0, 0), (2, 1), (-1, 3)])
def test_no_rate(count: int, trials: int) -> None:
    with pytest.raises(ValueError, match="is no rate"):
        Rate.of("x", count, trials)


def test_words() -> None:
    assert Rate.of("crashed as expected", 3, 20).words == (
        "3 of 20 trials crashed as expected: 15 %, 95 % interval 3.2 to 38 %"
    )
    assert [percent(share) for share in (0, 0.0495, 0.999, 1)] == ["0 %", "5 %", "99.9 %", "100 %"]
