"""Crashes of other processes than the judged one: the expectation of each, and the words for them."""

from collections.abc import Iterator, Mapping

from orchestrator.model import Expectation, OutcomeKind, Trial

_NOTHING: Mapping[str, object] = {"signal": None, "frames": (), "fault_address": None, "message": None}
"""The parts of an expectation that `children: crash` applies to another process if the judged one exits."""


def of_judged(expectation: Expectation) -> Expectation:
    """The expectation of the judged process under `children: crash`."""
    return expectation if expectation.wants_core else expectation.model_copy(update=_NOTHING)


def of_other(expectation: Expectation) -> Expectation:
    """The expectation of another process; any crash matches if the judged process must crash itself."""
    parts = _NOTHING if expectation.wants_core else {}
    end: Mapping[str, object] = {"kind": OutcomeKind.SIGNAL, "status": None, "absent": None, "evidence": None}
    return expectation.model_copy(update={**end, **parts})


def as_judged(trial: Trial) -> Iterator[Trial]:
    """For each other process that crashed, the trial with that process as the judged one."""
    for other in trial.others:
        outcome = trial.outcome.model_copy(
            update={"kind": OutcomeKind.SIGNAL, "status": None, "signal": other.process.signal}
        )
        yield trial.model_copy(update={"outcome": outcome, "core": other.core, "crash": other.crash})


def others_seen(trial: Trial) -> str:
    """The first crash of another process, and how many more there were; empty if none crashed."""
    if not trial.others:
        return ""
    more = len(trial.others) - 1 + trial.others_left_out
    return f"{trial.others[0].ended}{f' and {more} more' if more else ''}"
