"""What went wrong in one cell: the kind of its cause, and what distinguishes it from other causes."""

import re
from dataclasses import dataclass
from typing import Final

from orchestrator.causes.plain import difference, plain, without_trials
from orchestrator.launchers import LAUNCHERS
from orchestrator.model import (
    CauseKind,
    CellResult,
    Children,
    CoreState,
    Crash,
    FailedImage,
    Obstacle,
    OutcomeKind,
    Trial,
    UserTests,
    Verdict,
)

NAMED: Final = 3
"""Tests that a cause names."""
CLEANLY: Final = "a clean exit"
OUT_OF_MEMORY: Final = "out of memory"
EXIT_STATUS: Final = "exit status"
SAYS_LITTLE: Final = (OUT_OF_MEMORY, EXIT_STATUS)
"""How an ending is called of which nothing else is known; the reason of its verdict says more."""
_BUILD: Final = re.compile(
    r"image (?P<role>[\w.-]+) could not be built(?: in (?P<step>Step .*?…|[^:]*(?: : .*?)?))?: (?P<error>.*?)"
    r"(?:; the whole log: (?:.*/)?(?P<log>images/[^/]+/build\.log))?$",
    re.DOTALL,
)
"""The reason of a cell in a run of an older version, which says only in words which image failed."""
_ENGINE: Final = re.compile(r"engine", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class End:
    """What went wrong. Cells with equal `kind`, `scenario` and `parts` have one cause."""

    kind: CauseKind
    scenario: str | None
    parts: tuple[str, ...]
    """What sets the cause apart, without numbers and paths."""
    seen: str
    """What happened, in a few words."""
    signature: str | None = None
    image: FailedImage | None = None


def end_of(result: CellResult) -> End | None:
    """What went wrong in a cell; None where it is as expected, or was skipped on purpose."""
    if result.judgement.verdict is Verdict.FAIL:
        return _failure(result)
    if result.judgement.verdict is Verdict.ERROR:
        return _lack(result) if result.trials else _obstacle(result)
    return None


def _failure(result: CellResult) -> End:
    trial, crash = _worst(result)
    scenario, expectation = result.cell.scenario, result.expectation
    if trial is None:
        return _ending(result, without_trials(result.judgement.reason))
    if crash is not None or trial.outcome.kind is OutcomeKind.SIGNAL:
        name = crash.signature if crash else trial.outcome.signal or "a signal"
        return End(
            kind=CauseKind.CRASH,
            scenario=scenario,
            parts=(name,),
            seen=name,
            signature=crash.signature if crash else None,
        )
    if trial.outcome.kind is OutcomeKind.HANG and expectation.kind is not OutcomeKind.HANG:
        waits = trial.crash.signature if trial.crash else "hang ?"
        return End(
            kind=CauseKind.HANG,
            scenario=scenario,
            parts=(waits,),
            seen=_hang(trial.crash) if trial.crash else "a hang of which no core tells",
            signature=trial.crash.signature if trial.crash else None,
        )
    seen = _seen(result, trial)
    if seen == CLEANLY and (expectation.must_crash or expectation.kind is OutcomeKind.HANG):
        return End(
            kind=CauseKind.MISSING,
            scenario=scenario,
            parts=(expectation.kind, expectation.signal or "", *expectation.frames),
            seen=seen,
        )
    return _ending(result, seen)


def _ending(result: CellResult, seen: str) -> End:
    judgement = result.judgement
    wrong = judgement.wrong or tuple(without_trials(judgement.reason).split("; ")[1:])
    if result.expectation.is_default:
        wrong = ()
    return End(
        kind=CauseKind.ENDING,
        scenario=result.cell.scenario,
        parts=(plain(seen), *map(difference, wrong)),
        seen=_shown(result, seen),
    )


def _shown(result: CellResult, seen: str) -> str:
    """What is seen with what the process said of it, which may differ from cell to cell."""
    says_more = result.expectation.is_default and seen.startswith(SAYS_LITTLE)
    return without_trials(result.judgement.reason) if says_more else seen


def _worst(result: CellResult) -> tuple[Trial | None, Crash | None]:
    """The trial that shows what went wrong: one with a crash, else one that hung, else the last."""
    asked = result.expectation.is_default or result.expectation.children is not Children.ALLOWED
    for trial in reversed(result.trials):
        own = trial.crash if trial.outcome.kind is OutcomeKind.SIGNAL else None
        other = next((item.crash for item in trial.others if item.crash), None) if asked else None
        if own or other or trial.outcome.kind is OutcomeKind.SIGNAL:
            return trial, own or other
    hung = (trial for trial in reversed(result.trials) if trial.outcome.kind is OutcomeKind.HANG)
    return next(hung, result.trials[-1] if result.trials else None), None


def _seen(result: CellResult, trial: Trial) -> str:
    """How a trial without a crash ended. The exit status is named only if nothing else is known."""
    outcome = trial.outcome
    if outcome.kind is OutcomeKind.OOM:
        return OUT_OF_MEMORY
    if outcome.kind is OutcomeKind.HANG:
        return "a hang"
    launcher = LAUNCHERS.get(result.cell.launcher)
    clean = outcome.status == (launcher.clean_status if launcher else 0)
    raised = outcome.exception if not outcome.tests else None
    # A server that ended for an exception gave no answer because of that.
    told = (raised, *outcome.answers[:1]) if not clean else (*outcome.answers[:1], raised)
    said = next(filter(None, told), "") or (_failed_tests(outcome.tests) if outcome.tests else "")
    if said:
        return said
    return CLEANLY if clean else f"{EXIT_STATUS} {outcome.status}"


def _failed_tests(tests: UserTests) -> str:
    """The first failed test of the user, or the reason why none was collected."""
    failed = [case for case in tests.cases if case.outcome.is_bad]
    if not failed:
        return "; ".join(tests.problems[:NAMED])
    why = f": {failed[0].message}" if len(failed) == 1 and failed[0].message else ""
    more = f" and {len(failed) - NAMED} more" if len(failed) > NAMED else ""
    return f"failed: {', '.join(case.node for case in failed[:NAMED])}{more}{why}"


def _lack(result: CellResult) -> End:
    """The gap in the evidence of a cell, whatever way its trials ended."""
    reason = without_trials(result.judgement.reason)
    lost = next(
        (core for trial in result.trials for core, _ in trial.cores if core.state is CoreState.LOST), None
    )
    what = f"core lost: {lost.note or 'none arrived'}" if lost else reason.partition(", but ")[2] or reason
    kind = CauseKind.NOT_RUN if reason.startswith("stopped after ") else CauseKind.EVIDENCE
    if kind is CauseKind.NOT_RUN:
        what = "the run was stopped"
    return End(kind=kind, scenario=None if lost or kind is CauseKind.NOT_RUN else result.cell.scenario,
               parts=(plain(what),), seen=what)  # fmt: skip


def _obstacle(result: CellResult) -> End:
    reason, stated = result.judgement.reason, result.unobserved
    image = stated.image if stated else _stated_image(reason)
    if image is not None:
        return End(
            kind=CauseKind.BUILD,
            scenario=None,
            parts=(image.role, plain(image.error)),
            seen=f"{image.role}: {image.error}",
            image=image,
        )
    engine = stated.obstacle is Obstacle.ENGINE if stated else bool(_ENGINE.search(reason))
    if engine:
        return End(kind=CauseKind.ENGINE, scenario=None, parts=(), seen=reason)
    return End(kind=CauseKind.HOST, scenario=None, parts=(plain(reason),), seen=reason)


def _stated_image(reason: str) -> FailedImage | None:
    found = _BUILD.search(reason)
    if found is None:
        return None
    return FailedImage(role=found["role"], step=found["step"], error=found["error"], log=found["log"])


def _hang(crash: Crash) -> str:
    """What the main thread of a hang waits for, who has it, and what that thread waits for."""
    waits = {thread.tid: thread.waits for thread in crash.threads if thread.waits}
    known = crash.main if crash.main in waits else next(iter(waits), None)
    if known is None or not waits[known].what:
        return crash.signature
    first = waits[known]
    held = f" held by thread {first.thread}" if first.thread else ""
    owner = waits.get(first.thread) if first.thread else None
    also = f"; that waits for {owner.what}" if owner and owner.what else ""
    who = "the main thread" if known == crash.main else f"thread {known}"
    return f"{who} waits for {first.what}{held}{also}"
