"""The number of trials that shows that an event does not happen: a sequential test with exact error rates.

A cell that should survive states a `rate`. The test either claims that the true rate of unexpected trials is
below it, or gives up. Guaranteed for every true rate, and computed exactly for each design:

- at a true rate of `rate` or more, the claim is made with a probability of at most 1 - `confidence`;
- at a true rate of `tolerate` or less, it is made with at least `confidence`.

With `tolerate` 0, the default, the first unexpected trial ends the test, and the claim takes 59 expected
trials at a rate of 0.05 and a confidence of 0.95. No test with the first guarantee needs fewer when nothing
happens: at a rate of 0.05, 58 expected trials in a row have a probability of 0.95**58 > 0.05. The test saves
trials wherever the true rate is above 0.

With `tolerate` above 0 it is Wald's sequential probability ratio test ("Sequential Tests of Statistical
Hypotheses", Ann. Math. Statist. 16, 1945), truncated at 1.25 times the number of trials of the fixed test
with the same two guarantees. Wald's limits do not account for the truncation, so the limit of the claim is
raised until the exact probabilities hold. At every rate it needs fewer trials on average than the fixed test.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Annotated, Final

from pydantic import Field, model_validator

from orchestrator.model.base import Integer, Value
from orchestrator.model.rate import at_most

MAX_TRIALS: Final = 10_000
"""The most trials of one cell; a scenario that needs more is mistaken."""
MAX_FIXED: Final = 1000
CUT: Final = 1.25
"""The length of a truncated test relative to the fixed one. A longer test saves little on average and needs
many more trials at worst."""
_STEP: Final = 0.05
"""The step, in logarithms of odds, by which a limit is raised."""


class Decision(StrEnum):
    """The decision of a test after some trials."""

    CLAIM = "claim"
    GIVE_UP = "give up"
    GO_ON = "go on"


class Survival(Value):
    """The claim of a cell that should survive: its rate is below `rate`, with this confidence."""

    rate: Annotated[float, Field(ge=1e-6, lt=1)]
    confidence: Annotated[float, Field(ge=0.5, lt=1)] = 0.95
    tolerate: Annotated[float, Field(ge=0, lt=1)] = 0.0

    @model_validator(mode="after")
    def _is_possible(self) -> "Survival":
        if self.tolerate >= self.rate:
            raise ValueError(f"tolerate {self.tolerate} must be below the rate {self.rate}")
        if _quiet_trials(self.rate, self.confidence) > MAX_TRIALS:
            raise ValueError(f"this takes more than {MAX_TRIALS} trials; raise the rate")
        if self.tolerate:
            fixed_test(self.rate, self.confidence, self.tolerate)
        return self

    @property
    def design(self) -> "Design":
        """The test of this claim."""
        return _design(self.rate, self.confidence, self.tolerate)


@dataclass(frozen=True)
class Design:
    """A test, by the number `n` of unexpected trials.

    It claims from trial `claims[n]` on, and gives up until trial `gives_up[n]`.
    With more unexpected trials than there are entries it gives up. `most` is the largest number of trials.
    """

    most: Integer
    claims: tuple[int, ...]
    gives_up: tuple[int, ...]

    def decide(self, wrong: int, trials: int) -> Decision:
        """The decision after `wrong` unexpected trials of `trials`."""
        if trials == 0:
            return Decision.GO_ON
        if wrong >= len(self.claims) or trials <= self.gives_up[wrong]:
            return Decision.GIVE_UP
        return Decision.CLAIM if trials >= self.claims[wrong] else Decision.GO_ON

    def behaviour(self, rate: float) -> tuple[float, float]:
        """The probability of the claim and the mean number of trials at a true rate, both exact."""
        claim, mean, open_ = 0.0, 0.0, {0: 1.0}
        for trials in range(1, self.most + 1):
            mean += math.fsum(open_.values())
            reached: dict[int, float] = {}
            for wrong, chance in open_.items():
                reached[wrong] = reached.get(wrong, 0.0) + chance * (1 - rate)
                reached[wrong + 1] = reached.get(wrong + 1, 0.0) + chance * rate
            decided = {wrong: self.decide(wrong, trials) for wrong in reached}
            claim += math.fsum(reached[wrong] for wrong in reached if decided[wrong] is Decision.CLAIM)
            open_ = {wrong: reached[wrong] for wrong in reached if decided[wrong] is Decision.GO_ON}
        return claim, mean


def _quiet_trials(rate: float, confidence: float) -> int:
    """How many trials without the event put the rate below `rate`."""
    return math.ceil(math.log(1 - confidence) / math.log1p(-rate))


@cache
def _design(rate: float, confidence: float, tolerate: float) -> Design:
    if tolerate == 0:
        most = _quiet_trials(rate, confidence)
        return Design(most=most, claims=(most,), gives_up=(0,))
    for design in _ratio_tests(rate, confidence, tolerate):
        wrongly, rightly = design.behaviour(rate)[0], design.behaviour(tolerate)[0]
        if wrongly <= 1 - confidence and rightly >= confidence:
            return design
    raise AssertionError("unreachable: the fixed test itself is the last of the designs")


def _ratio_tests(rate: float, confidence: float, tolerate: float) -> Iterator[Design]:
    """Wald's test with limits raised step by step; the last design is the fixed test."""
    most = math.ceil(CUT * fixed_test(rate, confidence, tolerate)[0])
    allowed = max(wrong for wrong in range(most) if at_most(wrong, most, rate) <= 1 - confidence)
    quiet = math.log1p(-tolerate) - math.log1p(-rate)
    loud = math.log(rate / tolerate)
    wald = math.log(confidence / (1 - confidence))
    limit = wald
    while limit < most * quiet:
        yield Design(
            most=most,
            claims=tuple(
                min(most, math.ceil(wrong + (limit + wrong * loud) / quiet)) for wrong in range(allowed + 1)
            ),
            gives_up=tuple(
                max(0, math.floor(wrong + (wrong * loud - wald) / quiet)) for wrong in range(allowed + 1)
            ),
        )
        limit += _STEP
    fixed, allowed = fixed_test(rate, confidence, tolerate)
    yield Design(most=fixed, claims=(fixed,) * (allowed + 1), gives_up=(0,) * (allowed + 1))


def fixed_test(rate: float, confidence: float, tolerate: float) -> tuple[int, int]:
    """The smallest fixed number of trials with both guarantees, and the number of events it allows.

    Raises ValueError if that is more than MAX_FIXED trials.
    """
    allowed = 0
    while True:
        trials = _fewest(rate, 1 - confidence, allowed)
        if trials > MAX_FIXED:
            raise ValueError(f"telling {rate} from {tolerate} takes more than {MAX_FIXED} trials; part them")
        if at_most(allowed, trials, tolerate) >= confidence:
            return trials, allowed
        allowed += 1


def _fewest(rate: float, chance: float, allowed: int) -> int:
    """The fewest trials in which at most `allowed` events have at most this chance."""
    low, high = allowed + 1, allowed + 2
    while at_most(allowed, high, rate) > chance:
        low, high = high, 2 * high
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if at_most(allowed, middle, rate) <= chance else (middle + 1, high)
    return low
