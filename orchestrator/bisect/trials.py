"""How many trials distinguish a value with an occasional crash from one without, and how surely.

A value shows the subject where one of its trials does. So only a quiet value can be mistaken: at a rate of p
it stays quiet in n trials with a probability of (1 - p)**n. The rate is bounded from below by the trials of
the end of the axis that shows it (Clopper and Pearson's exact interval, model/rate.py).
"""

import math
from collections.abc import Iterable
from typing import Final

from orchestrator.model import Rate

FEWEST: Final = 8
"""The fewest trials of an end: enough for a quiet end if the other crashes in 6 of 6."""
END: Final = 0.025
"""The chance that the lower bound of a two-sided interval at 95 % is too high."""
ALLOWED: Final = 0.025
"""The chance that any quiet value is mistaken, all together."""


def trials_to_miss(rate: Rate, quiet: int) -> int:
    """Trials without the event after which a value may be called quiet, one of up to `quiet` such values."""
    if rate.low >= 1:
        return 1
    if rate.low <= 0:
        raise ValueError("a rate that may be 0 can be missed in any number of trials")
    return math.ceil(math.log(ALLOWED / max(quiet, 1)) / math.log1p(-rate.low))


def confidence_of(rate: Rate, quiet: Iterable[int]) -> float:
    """The confidence that none of the quiet values, by their numbers of trials, shows the event at `rate`."""
    return max(0.0, 1 - END - math.fsum((1 - rate.low) ** trials for trials in quiet))
