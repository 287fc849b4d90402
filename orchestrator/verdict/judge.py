"""Compare an observation with an expectation: kind, signal, frames, fault address, message, evidence.

An expected crash matches only with its own signal and frames; "it failed" is not enough. A trial that could
not be observed (no core, no engine) is `error`, never a crash and never a survival.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from orchestrator.adapters.regex import is_in
from orchestrator.model import (
    DISK_FULL,
    AddressRange,
    Children,
    CoreState,
    Expectation,
    InstrumentFinding,
    Judgement,
    NativeFrame,
    OutcomeKind,
    Trial,
    Verdict,
    WantedFinding,
)
from orchestrator.model.frame_names import inexact_frames, matches, missing_frames, missing_functions
from orchestrator.verdict.children import as_judged, of_judged, of_other, others_seen
from orchestrator.verdict.default import judge_default
from orchestrator.verdict.user_tests import unended, words_of_tests


@dataclass(frozen=True, kw_only=True)
class Observation:
    """A trial and the text it wrote, stdout before stderr. `whole`: no part of the text is missing."""

    trial: Trial
    text: str
    whole: bool = True


def judge_error(what: str) -> Judgement:
    """The verdict `error` on a cell that could not be observed; `what` is its reason."""
    return Judgement(verdict=Verdict.ERROR, reason=what)


def judge_trial(expectation: Expectation, observation: Observation) -> Judgement:
    """Judge one trial, independently of the cell's other trials."""
    if observation.trial.disagreement:
        return judge_error(f"{describe(observation.trial)}, but {observation.trial.disagreement}")
    judged = _judge_trial(expectation, observation)
    if not observation.trial.outcome.disk_full:
        return judged
    return Judgement(verdict=judged.verdict, reason=f"{judged.reason}; {DISK_FULL}")


def _judge_trial(expectation: Expectation, observation: Observation) -> Judgement:
    seen = others_seen(observation.trial)
    if expectation.is_default:
        return judge_default(expectation, observation.trial, seen)
    if expectation.children is Children.CRASH:
        return _with_other(expectation, observation, seen)
    judged = _judge(expectation, observation)
    if seen and expectation.children is Children.FORBIDDEN and judged.verdict is not Verdict.FAIL:
        reason = f"saw {describe(observation.trial)}, and {seen}; no other process may crash"
        return Judgement(verdict=Verdict.FAIL, reason=reason)
    also = f"; also seen: {seen}" if seen else ""
    return judged.model_copy(update={"reason": f"{judged.reason}{also}"})


def _with_other(expectation: Expectation, observation: Observation, seen: str) -> Judgement:
    """Judge a trial in which another process must crash too."""
    trial = observation.trial
    judged = _judge(of_judged(expectation), observation)
    if judged.verdict is not Verdict.PASS:
        return judged
    wanted = of_other(expectation)
    tried = [_judge(wanted, replace(observation, trial=item)) for item in as_judged(trial)]
    if not tried:
        what = wanted.signal or "a crash"
        reason = f"saw {describe(trial)}; expected {what} of another process, none crashed"
        return Judgement(verdict=Verdict.FAIL, reason=reason)
    for verdict in (Verdict.PASS, Verdict.ERROR):
        if any(item.verdict is verdict for item in tried):
            of_it = next(item.reason for item in tried if item.verdict is verdict)
            return Judgement(verdict=verdict, reason=f"{describe(trial)}; of another process {of_it}")
    reason = f"saw {describe(trial)}, and {seen}: {tried[0].reason.partition('; ')[2]}"
    return Judgement(verdict=Verdict.FAIL, reason=reason)


def _judge(expectation: Expectation, observation: Observation) -> Judgement:
    """Judge the end of a trial's judged process."""
    trial = observation.trial
    if expectation.wants_core and trial.core.state is CoreState.LOST:
        note = trial.core.note or "no core arrived"
        return judge_error(f"{describe(trial)}, but its core was lost: {note}")
    if expectation.wants_core and trial.core.state is CoreState.FOUND and trial.crash is None:
        return judge_error(f"{describe(trial)}, but its core could not be read")
    wrong = _differences(expectation, observation)
    lack = _lack(expectation, observation)
    if lack and not _differences(lack.judged, observation):
        return judge_error(f"{describe(trial)}, but {lack.why}")
    if wrong:
        return Judgement(
            verdict=Verdict.FAIL, reason=f"saw {describe(trial)}; {'; '.join(wrong)}", wrong=tuple(wrong)
        )
    nearest = inexact_frames(_frames(trial), expectation.frames)
    doubt = f" (nearest symbol only: {', '.join(nearest)})" if nearest else ""
    return Judgement(verdict=Verdict.PASS, reason=f"{describe(trial)}, as expected{doubt}")


@dataclass(frozen=True, kw_only=True)
class _Lack:
    """A part of the expectation that could not be observed. `judged`: the expectation without that part."""

    why: str
    judged: Expectation


def _lack(expectation: Expectation, observation: Observation) -> _Lack | None:
    """Expected frames that a truncated core may have lost, and patterns that truncated output may contain."""
    trial = observation.trial
    cut = trial.core.truncated or (trial.crash is not None and trial.crash.truncated)
    frames = missing_frames(_frames(trial), expectation.frames) if cut else ()
    patterns = (expectation.message, expectation.absent)
    unsaid = [
        text
        for text in patterns
        if text is not None and not observation.whole and not _said(text, observation)
    ]
    if not frames and not unsaid:
        return None
    why = (
        "its core is truncated, so its frames could not all be read"
        if frames
        else (f"its output is truncated; /{unsaid[0]}/ may be in the missing part")
    )
    without: dict[str, object] = {"frames": ()} if frames else {}
    if expectation.message in unsaid:
        without["message"] = None
    return _Lack(why=why, judged=expectation.model_copy(update=without))


def describe(trial: Trial) -> str:
    """How a trial ended, in a few words: the signature of the crash or hang where a core was read."""
    outcome, crash = trial.outcome, trial.crash
    if outcome.kind is OutcomeKind.EXIT:
        tests = words_of_tests(trial)
        return f"exit {outcome.status}: {tests}" if tests else outcome.exit_words
    if outcome.kind is OutcomeKind.OOM:
        return str(outcome.kind) + (f" ({outcome.notes[0]})" if outcome.notes else "")
    if crash is not None:
        return crash.signature
    return str(outcome.kind if outcome.kind is OutcomeKind.HANG else outcome.signal)


def _differences(expectation: Expectation, observation: Observation) -> list[str]:
    trial = observation.trial
    if trial.outcome.kind is not expectation.kind:
        return [f"expected {_words(expectation)}"]
    wrong: list[str] = []
    if expectation.status is not None and trial.outcome.status != expectation.status:
        wrong.append(f"expected exit {expectation.status}")
    if expectation.status == 0 and unended(trial.outcome):
        wrong.append("a test ended its process")
    fault = trial.crash.signal.name if trial.crash else trial.outcome.signal
    if expectation.signal is not None and fault != expectation.signal:
        wrong.append(f"expected {expectation.signal}")
    if expectation.fault_address is not None:
        wrong += _wrong_address(expectation.fault_address, trial)
    wrong += _wrong_frames(_frames(trial), expectation.frames)
    if expectation.message is not None and not _said(expectation.message, observation):
        wrong.append(f"no output matches /{expectation.message}/")
    if expectation.evidence is not None:
        wrong += _wrong_evidence(expectation.evidence, trial)
    if expectation.absent is not None and _said(expectation.absent, observation):
        wrong.append(f"some output matches /{expectation.absent}/")
    return wrong


def _wrong_frames(frames: Sequence[NativeFrame], wanted: Sequence[str]) -> list[str]:
    """The expected functions that the stack lacks, and those that it has in another order."""
    missing = missing_frames(frames, wanted)
    misplaced = [name for name in missing if any(matches(frame, name) for frame in frames)]
    absent = [name for name in missing if name not in misplaced]
    said = ("not on the stack", absent), ("on the stack, but not in the expected order", misplaced)
    return [f"{what}: {', '.join(names)}" for what, names in said if names]


def _wrong_address(wanted: AddressRange, trial: Trial) -> list[str]:
    """How the fault address differs; an unknown address never matches."""
    found = trial.crash.signal.fault_address if trial.crash else None
    if found is not None and wanted.matches(int(found, 16)):
        return []
    return [f"expected a fault address {wanted.text}, saw {found or 'none'}"]


def _wrong_evidence(wanted: WantedFinding, trial: Trial) -> list[str]:
    """How the instrument's findings differ. An instrument that wrote nothing does not prove absence."""
    evidence = trial.outcome.evidence
    matching = [item for item in evidence.findings if _matches(item, wanted)] if evidence else []
    seen = sum(item.count for item in matching)
    watched = evidence and evidence.path
    if watched and wanted.at_least <= seen <= (seen if wanted.at_most is None else wanted.at_most):
        return []
    most = "" if wanted.at_most is None else f" and at most {wanted.at_most}"
    why = f" ({evidence.note})" if evidence and evidence.note else ""
    what = "".join(f", {role} by {' > '.join(names)}" for role, names in wanted.stacks.items())
    return [f"expected {wanted.kind}{what} at least {wanted.at_least}{most} times, seen {seen}{why}"]


def _matches(finding: InstrumentFinding, wanted: WantedFinding) -> bool:
    """Whether a finding is of the wanted kind, and each wanted function is in a stack of its role."""
    return finding.kind == wanted.kind and all(
        any(
            stack.role is role and not missing_functions([frame.function for frame in stack.frames], names)
            for stack in finding.stacks
        )
        for role, names in wanted.stacks.items()
    )


def _words(expectation: Expectation) -> str:
    if expectation.kind is OutcomeKind.SIGNAL:
        where = f" with {' > '.join(expectation.frames)}" if expectation.frames else ""
        return f"{expectation.signal}{where}"
    if expectation.kind is OutcomeKind.EXIT and expectation.status is not None:
        return f"exit {expectation.status}"
    return str(expectation.kind)


def _frames(trial: Trial) -> tuple[NativeFrame, ...]:
    thread = trial.crash.crashed_thread if trial.crash else None
    return thread.native if thread else ()


def _said(pattern: str, observation: Observation) -> bool:
    message = observation.trial.crash.message if observation.trial.crash else None
    return is_in(pattern, f"{observation.text}\n{message or ''}")
