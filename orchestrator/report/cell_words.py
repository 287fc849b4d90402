"""One cell and its trials in words: the expectation, and how they ended."""

import functools
from collections.abc import Iterator
from typing import Final

from orchestrator.launchers import LAUNCHERS
from orchestrator.model import (
    CellResult,
    CoreFile,
    CoreState,
    Crash,
    Expectation,
    Obstacle,
    OutcomeKind,
    Trial,
    UserTests,
    WantedFinding,
)
from orchestrator.rundir import CellRecord, Status

OUTCOMES: Final = {
    "crash": "crash",
    "hang": "hang",
    "oom": "out of memory",
    "exit": "exit",
    "wrong": "exit with an error",
    "none": "not observed",
}
"""The outcomes of a cell, each with a word and a shape (page.html.j2)."""
OBSTACLES: Final = {
    Obstacle.IMAGE: "build failed",
    Obstacle.ENGINE: "engine failed",
    Obstacle.HOST: "host failed",
    Obstacle.GATE: "not tested",
}
"""Why a cell was not observed."""


def telling_trial(result: CellResult) -> Trial | None:
    """The representative trial: the last with a crash that was read, else the last."""
    trials = result.trials
    crashed = (trial for trial in reversed(trials) if trial.crash or trial.others)
    return next(crashed, trials[-1]) if trials else None


def ended_cleanly(record: CellRecord, trial: Trial) -> bool:
    """Whether a trial exited with 0, or with the status of its launcher's clean end."""
    launcher = LAUNCHERS.get(record.cell.launcher)
    clean = {0, launcher.clean_status} if launcher else {0}
    return trial.outcome.kind is OutcomeKind.EXIT and trial.outcome.status in clean


def trial_seen(trial: Trial) -> str:
    """The outcome of a trial in a few words: the signature of its crash or hang if a core was read."""
    others = f", and {trial.others[0].ended}" if trial.others else ""
    return f"{_judged_seen(trial)}{others}"


def _judged_seen(trial: Trial) -> str:
    outcome = trial.outcome
    if trial.crash:
        return trial.crash.signature
    if outcome.kind is OutcomeKind.EXIT:
        return outcome.exit_words
    if outcome.kind is OutcomeKind.SIGNAL:
        return outcome.signal or "signal"
    return {OutcomeKind.HANG: "hang", OutcomeKind.OOM: "out of memory"}[outcome.kind]


def cell_seen(record: CellRecord) -> str:
    """The outcome of a cell in a few words."""
    trial = telling_trial(record.result) if record.result else None
    if record.result is None:
        return "not run"
    if trial is None:
        why = record.result.unobserved
        return OBSTACLES[why.obstacle] if why else OUTCOMES["none"]
    return trial_seen(trial)


def ended(trial: Trial) -> str:
    """How the judged process ended, in a few words."""
    outcome = trial.outcome
    if outcome.kind is OutcomeKind.EXIT:
        return f"exit {outcome.status}"
    if outcome.kind is OutcomeKind.OOM:
        return "out of memory"
    if outcome.kind is OutcomeKind.SIGNAL:
        return f"ended by {outcome.signal or 'a signal'}"
    return f"did not end; crashmatrix ended it with {outcome.signal}" if outcome.signal else "did not end"


def short_reason(record: CellRecord) -> str:
    """The reason of a verdict; of a failed build only the line that names the error."""
    failed = record.result.unobserved.image if record.result and record.result.unobserved else None
    return f"an image could not be built: {failed.error}" if failed else record.reason


def outcome_shape(record: CellRecord) -> str:
    """The key in `OUTCOMES` of how a cell ended; a crash of another process counts as one."""
    trial = telling_trial(record.result) if record.result else None
    if trial is None:
        return "none"
    if trial.others or trial.outcome.kind is OutcomeKind.SIGNAL:
        return "crash"
    if trial.outcome.kind is OutcomeKind.EXIT and not ended_cleanly(record, trial):
        return "wrong"
    return trial.outcome.kind.value


def symbols(record: CellRecord) -> tuple[str, ...]:
    """The names of the shapes that a cell's own page uses: its verdict, its outcome and the expected one."""
    shapes = {outcome_shape(record), expected_shape(record.planned.expectation)}
    return (f"m-{slug(record.status)}", *(f"o-{name}" for name in sorted(shapes)))


@functools.cache
def slug(status: Status) -> str:
    """A status as a name in the stylesheet."""
    return status.value.replace(" ", "-")


def expected_shape(expectation: Expectation) -> str:
    """The key in `OUTCOMES` of the end that is expected."""
    return "crash" if expectation.must_crash else expectation.kind.value


def expected(expectation: Expectation) -> str:
    """The expectation in a few words."""
    if expectation.is_default:
        return "a clean exit"
    if expectation.kind is OutcomeKind.SIGNAL:
        return expectation.signal or "a signal"
    if expectation.kind is OutcomeKind.EXIT:
        return "exit" if expectation.status is None else f"exit {expectation.status}"
    return {OutcomeKind.HANG: "hang", OutcomeKind.OOM: "out of memory"}[expectation.kind]


def telling_process(trial: Trial) -> str:
    """The process whose crash represents a trial; empty for the judged one."""
    return next((other.process.words for other in trial.others if other.crash), "")


def test_counts(tests: UserTests) -> str:
    """The numbers of the user's tests by outcome, the worst first."""
    order = sorted(tests.counts.items(), key=lambda item: (not item[0].is_bad, -item[1]))
    return ", ".join(f"{count:,} {outcome}" for outcome, count in order if count) or "none ran"


def crashes_of(trial: Trial) -> Iterator[tuple[Crash, str]]:
    """The crashes of a trial that were read, each with words on its process: ` of worker 2`."""
    if trial.crash:
        yield trial.crash, f" while {trial.outcome.doing} ran" if trial.outcome.doing else ""
    yield from ((other.crash, f" of {other.process.words}") for other in trial.others if other.crash)


def wanted_evidence(wanted: WantedFinding) -> str:
    """The finding that an expectation requires, on one line."""
    most = "" if wanted.at_most is None else f" and at most {wanted.at_most}"
    stacks = "".join(f", {role.value} by {' > '.join(names)}" for role, names in wanted.stacks.items())
    return f"{wanted.kind}{stacks}, at least {wanted.at_least}{most} times"


EVIDENCE_FRAMES = 8
"""The most frames of an instrument's stack in plain text; result.json has more."""


def evidence_lines(trial: Trial) -> list[str]:
    """The findings of a trial's instrument: each kind with its first occurrence, then its stacks."""
    evidence = trial.outcome.evidence
    if evidence is None:
        return []
    lines = []
    for item in evidence.findings:
        times = "once" if item.count == 1 else f"{item.count} times"
        lines.append(f"{evidence.instrument}: {item.kind}, {times}: {item.first}")
        for stack in item.stacks:
            shown = (frame.function or "??" for frame in stack.frames[:EVIDENCE_FRAMES])
            lines.append(f"  {stack.role}: {' < '.join(shown)}")
    return lines + ([f"{evidence.instrument}: {evidence.note}"] if evidence.note else [])


def core_words(core: CoreFile) -> str:
    """The state of a trial's core in words."""
    words = {CoreState.NONE: "none expected", CoreState.FOUND: "found", CoreState.LOST: "lost"}[core.state]
    if core.truncated:
        words += ", truncated"
    return f"{words}: {core.note}" if core.note else words
