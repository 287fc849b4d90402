"""Scenarios: a question in words, the programs that ask it, and what should be seen."""

from enum import StrEnum

from orchestrator.errors import Location
from orchestrator.model.base import Value


class OutcomeKind(StrEnum):
    """How a trial ended, as the parent of the process saw it."""

    EXIT = "exit"
    SIGNAL = "signal"
    HANG = "hang"
    OOM = "oom"


class Expectation(Value):
    """What a scenario says should be seen in a cell, and why.

    `signal` is the original fault, not the one that a handler raised after it. `frames` are
    functions that must all appear in the crashing thread, top down, in this order; `message` is a
    regular expression that must match somewhere in stdout, stderr or the crash's own message.
    """

    kind: OutcomeKind
    status: int | None = None
    signal: str | None = None
    frames: tuple[str, ...] = ()
    message: str | None = None
    because: str
    source: str | None = None
    where: str | None = None

    @property
    def wants_core(self) -> bool:
        """A signal is expected, so a core must arrive for the verdict to be trusted."""
        return self.kind is OutcomeKind.SIGNAL


class ExpectationRule(Value):
    """An expectation with the expression that says in which cells it holds."""

    when: str
    where: Location
    expectation: Expectation


class ProbeSource(Value):
    """The source of one probe, relative to the scenario's folder, compiled once per (language, arch)."""

    language: str
    source: str
    module: str


class Scenario(Value):
    """One crash question: scenarios/NAME/scenario.yaml, validated."""

    name: str
    title: str
    story: str
    folder: str
    driver: str
    timeout: float
    trials: int
    probes: tuple[ProbeSource, ...]
    rules: tuple[ExpectationRule, ...]
