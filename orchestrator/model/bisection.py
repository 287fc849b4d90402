"""Bisections: the two neighbours of an ordered axis between which an outcome changes, and the confidence."""

from enum import StrEnum
from typing import Final

from orchestrator.model.base import Integer, Value
from orchestrator.model.rate import Share

BISECTION_SCHEMA: Final = 3
"""Version of bisection.json. Version 2 has `asked` in place of `tested`."""


class BisectionFinding(StrEnum):
    """The conclusion that the tested values support."""

    FLIP = "flip"
    """Exactly one change, between two neighbours."""
    SAME = "same"
    """All tested values end alike."""
    AT_TIMES = "at times"
    """The first and the last value both show it in some of their trials: the axis does not decide it."""
    SEVERAL = "several"
    """More than one change."""
    UNKNOWN = "unknown"
    """Fewer than two values could be tested."""


class TestedValue(Value):
    """A value of the axis whose cell was run. `shown` of its `trials` showed the subject."""

    value: str
    cell: str
    ended: tuple[str, ...]
    """The ways in which its trials ended, each once."""
    shown: Integer = 0
    trials: Integer
    skipped: str = ""
    """Why it counts neither way: it was not observed, or ended like neither end of the axis."""


class SkippedValue(Value):
    """A value that cannot be tested, with the reason."""

    value: str
    reason: str


class Flip(Value):
    """Two values between which the outcome changes, with those between them that could not tell."""

    before: str
    after: str
    between: tuple[str, ...] = ()


class Bisection(Value):
    """bisection.json of a run's folder: where an outcome changes along an ordered axis."""

    schema_version: Integer = BISECTION_SCHEMA
    run: str
    scenario: str
    axis: str
    environment: str
    """The id of the cells without the axis's value."""
    values: Integer
    """How many values the axis has in the range, skipped ones included."""
    subject: str = ""
    """What was looked for, as an ending (`SIGSEGV`); empty where all values end alike."""
    finding: BisectionFinding
    flips: tuple[Flip, ...] = ()
    tested: tuple[TestedValue, ...] = ()
    """In the order of the axis."""
    skipped: tuple[SkippedValue, ...] = ()
    confidence: Share | None = None
    """Of the flips, if a value that shows the subject does so at `rate` or more of its trials."""
    rate: Share | None = None
    """The lower bound of the rate at the end of the axis that shows it, with a confidence of 97.5 %."""
    sentence: str
    notes: tuple[str, ...] = ()
