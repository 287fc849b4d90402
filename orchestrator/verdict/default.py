"""Judge a trial by the default expectation: the program works."""

import re
from pathlib import PurePosixPath
from typing import Final

from orchestrator.model import CoreState, Crash, Expectation, Judgement, Outcome, OutcomeKind, Trial, Verdict
from orchestrator.verdict.user_tests import unended, words_of_tests

PYTHON_ERROR: Final = 1
"""The exit status of a Python that an exception ends."""


def judge_default(expectation: Expectation, trial: Trial, others: str) -> Judgement:
    """Pass if the process ended cleanly, no other process crashed, and a server answered each request.

    `others` names the crashes of other processes; they come first, since they are often why this one failed.
    """
    outcome = trial.outcome
    clean = outcome.kind is OutcomeKind.EXIT and outcome.status == expectation.status and not unended(outcome)
    itself = "ended cleanly" if clean else what_happened(trial)
    if others and outcome.kind is OutcomeKind.SIGNAL:
        return Judgement(verdict=Verdict.FAIL, reason=f"{itself}; also {others}")
    if others:
        return Judgement(verdict=Verdict.FAIL, reason=f"{others}; the judged process: {itself}")
    if clean and outcome.answers:
        return Judgement(verdict=Verdict.FAIL, reason=_answers(outcome))
    return Judgement(verdict=Verdict.PASS if clean else Verdict.FAIL, reason=itself)


def _answers(outcome: Outcome) -> str:
    """The first odd answer, with the exception behind it, and how many more there were."""
    first, *more = outcome.answers
    why = f": {outcome.exception}" if outcome.exception else ""
    return f"{first}{why}" + (f"; and {len(more)} more" if more else "")


def what_happened(trial: Trial) -> str:
    """An unexpected end in words: the exception, the fault and its library, or the missing outcome."""
    tests = words_of_tests(trial)
    if trial.outcome.kind is OutcomeKind.EXIT:
        return tests or _exit(trial)
    return f"{_fault(trial)}{tests and f'; {tests}'}"


def _fault(trial: Trial) -> str:
    outcome, crash = trial.outcome, trial.crash
    if outcome.kind is OutcomeKind.OOM:
        return f"out of memory{_doing(trial)}" + (f": {outcome.notes[0]}" if outcome.notes else "")
    if outcome.kind is OutcomeKind.HANG:
        notes = "".join(f"; {note}" for note in outcome.notes)
        seen = crash.signature if crash else "hang"
        return f"{seen}: no end within {outcome.seconds:.0f} s{_doing(trial)}{notes}"
    fault = f"{crash.signature}{_where(crash)}" if crash else outcome.signal or "a signal"
    lost = f", core lost: {trial.core.note or 'none arrived'}" if trial.core.state is CoreState.LOST else ""
    return f"{fault}{_doing(trial)}{lost}"


def _where(crash: Crash) -> str:
    """The library of the fault; of the C library also the library that called it."""
    module = PurePosixPath(crash.crash.module or "").name
    if not module:
        return ""
    frames = list(crash.crashed_thread.native if crash.crashed_thread else ())
    # A signal's handler stands above the fault.
    start = next((at for at, frame in enumerate(frames) if frame.function == crash.crash.function), 0)
    outer = (PurePosixPath(frame.module).name for frame in frames[start:] if frame.module)
    caller = next((name for name in outer if not _is_libc(name)), None) if _is_libc(module) else None
    return f" ({module}, called from {caller})" if caller else f" ({module})"


def _is_libc(module: str) -> bool:
    return re.match(r"(?:libc|libpthread|ld-linux[\w-]*)[.-]", module) is not None


def _exit(trial: Trial) -> str:
    outcome = trial.outcome
    if outcome.exception and outcome.status == PYTHON_ERROR:
        return f"{outcome.exception}{_doing(trial)}"
    said = "; ".join(filter(None, (outcome.exception, outcome.last_line, *outcome.notes)))
    return f"exit status {outcome.status}{_doing(trial)}" + (f": {said}" if said else "")


def _doing(trial: Trial) -> str:
    return f" while {trial.outcome.doing} ran" if trial.outcome.doing else ""
