"""The rate of an event with exact binomial bounds.

All bounds are Clopper and Pearson's ("The use of confidence or fiducial limits illustrated in the case of
the binomial", Biometrika 26, 1934): with a fixed number of trials they hold for every true rate with a
probability of at least `confidence`. They also hold if trials stopped at the first event: the lower bound is
then exact and the upper one conservative, since it ignores that the event came last.
"""

import math
from typing import Annotated, Final

from pydantic import Field

from orchestrator.model.base import LARGEST, Value

CONFIDENCE: Final = 0.95
_STEPS: Final = 60
"""Halvings of an interval of rates; 2**-60 is below what a float near 1 can tell."""

_NEARLY_ALL: Final = 0.995
"""From this share on, two digits would read as 100 %."""

Share = Annotated[float, Field(ge=0, le=1)]


class Rate(Value):
    """An event that `count` of `trials` showed, with the confidence interval of its true rate.

    `low` and `high` are two-sided bounds at `confidence`, from 0 to 1.
    """

    event: str
    """What was counted, in words that follow "3 of 20 trials"."""
    count: Annotated[int, Field(ge=0, le=LARGEST)]
    trials: Annotated[int, Field(ge=1, le=LARGEST)]
    low: Share
    high: Share
    confidence: Annotated[float, Field(gt=0, lt=1)] = CONFIDENCE

    @classmethod
    def of(cls, event: str, count: int, trials: int, confidence: float = CONFIDENCE) -> "Rate":
        """The rate of an event; raises ValueError if there are no trials, or fewer trials than events."""
        if not 0 <= count <= trials or trials < 1:
            raise ValueError(f"{count} of {trials} trials is no rate")
        tail = (1 - confidence) / 2
        low = 1 - _highest_rate(trials - count, trials, tail)
        high = _highest_rate(count, trials, tail)
        return cls(event=event, count=count, trials=trials, low=low, high=high, confidence=confidence)

    @property
    def share(self) -> float:
        """The observed share, from 0 to 1."""
        return self.count / self.trials

    def parts_from(self, other: "Rate") -> bool:
        """Whether the two intervals do not overlap, so that the rates differ."""
        return self.high < other.low or other.high < self.low

    @property
    def words(self) -> str:
        """For example `3 of 20 trials crashed: 15 %, 95 % interval 3.2 to 38 %`."""
        interval = f"{_number(self.low)} to {percent(self.high)}"
        return (
            f"{self.count} of {self.trials} trials {self.event}: {percent(self.share)}, "
            f"{percent(self.confidence)} interval {interval}"
        )


def upper_bound(count: int, trials: int, confidence: float = CONFIDENCE) -> float:
    """The one-sided upper bound of the true rate at this confidence, after `count` of `trials`."""
    return _highest_rate(count, trials, 1 - confidence)


def at_most(count: int, trials: int, rate: float) -> float:
    """The probability of at most `count` events in `trials` at this rate."""
    if count >= trials or rate <= 0:
        return 1.0
    if rate >= 1:
        return 0.0
    # Summed by logarithms: (1 - rate)**trials alone underflows.
    step, term = math.log(rate) - math.log1p(-rate), trials * math.log1p(-rate)
    terms = [term]
    for seen in range(1, count + 1):
        term += math.log(trials - seen + 1) - math.log(seen) + step
        terms.append(term)
    highest = max(terms)
    return min(1.0, math.exp(highest) * math.fsum(math.exp(item - highest) for item in terms))


def percent(share: float) -> str:
    """A share in percent with two significant digits, for example `4.9 %`."""
    return f"{_number(share)} %"


def _number(share: float) -> str:
    digits = 2 if share < _NEARLY_ALL else 4
    return f"{share * 100:.{digits}g}"


def _highest_rate(count: int, trials: int, tail: float) -> float:
    """The rate at which at most `count` events in `trials` have the probability `tail`."""
    if count >= trials:
        return 1.0
    if count == 0:
        return -math.expm1(math.log(tail) / trials)
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if at_most(count, trials, middle) > tail else (low, middle)
    return high
