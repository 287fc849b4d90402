"""Judge a trial of which its scenario states nothing, by what people mean by "it works"."""

import re
from pathlib import PurePosixPath
from typing import Final

from orchestrator.binary.cpp_names import without_arguments
from orchestrator.model import CoreState, Crash, Expectation, Judgement, Outcome, OutcomeKind, Trial, Verdict
from orchestrator.verdict.user_tests import unended, words_of_tests

PYTHON_ERROR: Final = 1
"""The exit status of a Python that an exception ends."""


def judge_default(expectation: Expectation, trial: Trial, others: str) -> Judgement:
    """Pass where the process ended cleanly, no other process crashed, and a server answered each request.

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
    """An unexpected end in plain words: the exception, the fault and its library, or what did not come."""
    tests = words_of_tests(trial)
    if trial.outcome.kind is OutcomeKind.EXIT:
        return tests or _exit(trial)
    return f"{_fault(trial)}{tests and f'; {tests}'}"


def _fault(trial: Trial) -> str:
    outcome, crash = trial.outcome, trial.crash
    if outcome.kind is OutcomeKind.OOM:
        return f"out of memory{_doing(trial)}"
    where = _where(crash) if crash else ""
    if outcome.kind is OutcomeKind.HANG:
        notes = "".join(f"; {note}" for note in outcome.notes)
        return f"no end after {outcome.seconds:.0f} s{where and f', stopped{where}'}{_doing(trial)}{notes}"
    fault = crash.signal.name if crash else outcome.signal or "a signal"
    lost = f", core lost: {trial.core.note or 'none arrived'}" if trial.core.state is CoreState.LOST else ""
    return f"{fault}{where}{_doing(trial)}{lost}"


def _where(crash: Crash) -> str:
    """The function of the fault with its library; in the C library also who called that."""
    if not crash.crash.function:
        return ""
    module = PurePosixPath(crash.crash.module or "").name
    where = f" in {crash.crash.name}" + (f" ({module})" if module else "")
    frames = list(crash.crashed_thread.native if crash.crashed_thread else ())
    # A signal's handler stands above the fault.
    start = next((at for at, frame in enumerate(frames) if frame.function == crash.crash.function), 0)
    named = ((frame.function, PurePosixPath(frame.module or "").name) for frame in frames[start:])
    outer = ((function, name) for function, name in named if name and not _is_libc(name))
    function, caller = next(outer, (None, None)) if _is_libc(module) else (None, None)
    if caller is None:
        return where
    # Without its name; the next function that has one is not the caller.
    return f"{where}, called " + (
        f"by {without_arguments(function)} ({caller})" if function else f"from {caller}"
    )


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
