"""The sentences about results, shared by JUnit, HTML, summary and terminal."""

import functools
from collections.abc import Iterable, Iterator
from typing import Final

from orchestrator.launchers import LAUNCHERS
from orchestrator.model import (
    DISK_FULL,
    Cause,
    CauseState,
    CellResult,
    Change,
    CoreFile,
    CoreState,
    Crash,
    Expectation,
    Explanation,
    Finding,
    MissingCells,
    NotComparable,
    Obstacle,
    OtherCrash,
    Outcome,
    OutcomeKind,
    Place,
    Plan,
    SignalInfo,
    Subject,
    Thread,
    Trial,
    UserTests,
    WantedFinding,
)
from orchestrator.report import hangs
from orchestrator.report.stacks import ShownFrame, stack_rows, unplaced
from orchestrator.rundir import CellRecord, RunData, Status

OUTCOMES: Final = {
    "crash": "crash",
    "hang": "hang",
    "oom": "out of memory",
    "exit": "exit",
    "wrong": "exit with an error",
    "none": "not observed",
}
"""How a cell ended, apart from its verdict: each has a shape of its own (page.html.j2), and a word."""
OBSTACLES: Final = {
    Obstacle.IMAGE: "build failed",
    Obstacle.ENGINE: "engine failed",
    Obstacle.HOST: "host failed",
    Obstacle.GATE: "not tested",
}
"""Why a cell was not observed."""
WAITS: Final = 40
"""The most threads of a hang that are described; result.json has all."""
NAMED: Final = 3
"""The most cells that a sentence names; the grid and the run's JSON have all."""
MISSING: Final = 10
"""The most lines on missing cells; plan.json has all."""
COUNTED: Final = {
    Status.FAIL: ("failed", "failed"),
    Status.ERROR: ("error", "errors"),
    Status.NOT_RUN: ("not run", "not run"),
}
"""The words behind a count of one, and of more."""


def cells(count: int) -> str:
    """A number of cells, for example `1 cell`."""
    return "1 cell" if count == 1 else f"{count:,} cells"


def headline(data: RunData) -> str:
    """The run's outcome in one sentence."""
    planned = len(data.records)
    bad = [status for status in (Status.FAIL, Status.ERROR, Status.NOT_RUN) if data.counts[status]]
    if not planned:
        return "No cell was planned"
    if not bad:
        passed = data.counts[Status.PASS]
        every = "The one cell is" if passed == 1 else f"All {passed:,} cells are"
        return f"{every} as expected" if passed else "No cell ran"
    counts = [(data.counts[status], COUNTED[status]) for status in bad]
    parts = [f"{count:,} {said[count > 1]}" for count, said in counts]
    return f"{', '.join(parts)}, of {cells(planned)}"


def merging(plan: Plan) -> tuple[str, ...]:
    """What a merged run lacks, and the cells that several shards had."""
    said = [missing(item) for item in plan.missing[:MISSING]]
    if left := plan.missing[MISSING:]:
        said.append(f"Missing for other reasons: {cells(sum(item.count for item in left))}.")
    if plan.missing_shards:
        shards = ", ".join(plan.missing_shards)
        said.append(f"Missing: shard {shards}. Its cells are not counted here, so this result is incomplete.")
    if plan.replaced:
        said.append(f"{cells(plan.replaced)} are in several runs; the run that was planned last counts.")
    return tuple(said)


def missing(item: MissingCells) -> str:
    """The cells of an architecture that were due and did not come, why, and one of them."""
    count = "all" if item.count == item.of else f"{item.count:,} of"
    which = f"{count} {cells(item.of)} of {item.arch} in {item.selection}"
    return f"Missing: {which} ({item.reason}), for example {item.example}."


def change(item: Change) -> str:
    """How a cell changed, and what else differs between the runs and may be the cause."""
    beside = f" Also different: {'; '.join(item.differences)}." if item.differences else ""
    return f"{item.sentence}{beside}"


def not_comparable(item: NotComparable) -> str:
    """The cells that cannot be compared: how many, why, and the first of them."""
    named = ", ".join(item.cells[:NAMED])
    more = f", and {item.count - NAMED:,} more" if item.count > NAMED else ""
    return f"{cells(item.count)} cannot be compared ({item.reason}): {named}{more}."


def telling(data: RunData) -> Iterator[Explanation]:
    """The explanations that tell something, worst subjects first; the pages have all.

    Outcomes without a rule are left out, and so are signatures without one in a scenario whose failure
    has a rule: a library without symbols has a signature for each of its builds. Beside such a failure the
    others come without their notes.
    """
    ruled = {
        item.name
        for item in data.explanations
        if item.subject is Subject.FAILURE and item.finding in (Finding.RULE, Finding.TIE)
    }
    for item in data.explanations:
        told = ruled.issuperset(item.scenarios)
        if item.subject is Subject.FAILURE:
            yield item
        elif item.finding in (Finding.RULE, Finding.TIE) or (item.subject is Subject.SIGNATURE and not told):
            yield item.model_copy(update={"notes": ()}) if told else item


def differences(data: RunData, limit: int) -> Iterator[str]:
    """At most `limit` telling explanations in words, and the number of further ones."""
    items = list(telling(data))
    yield from (item.words for item in items[:limit])
    if len(items) > limit:
        yield f"{len(items) - limit:,} more explanations are in the report."


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


def since(cause: Cause) -> str:
    """How a cause compares with earlier runs, in a few words; empty where there are none."""
    if cause.state is CauseState.KNOWN:
        return f"since {cause.since}"
    if cause.state is CauseState.FIXED:
        return f"fixed; last in {cause.since}"
    return str(cause.state or "")


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


def rule_place(where: str, scenario: str) -> str:
    """The file and line of a rule, relative to the project as far as that is known."""
    place = Place.of(where, scenario)
    return f"{place.file}:{place.line}" if place.line else place.file


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


def signal_words(signal: SignalInfo) -> str:
    """The original fault with code, address and, where it differs, the signal that ended the process."""
    words = " ".join(part for part in (signal.name, signal.code) if part)
    if signal.fault_address:
        words += f" at {signal.fault_address}"
    if signal.delivered and signal.delivered != signal.name:
        words += f" (the process then ended by {signal.delivered}, which a handler raised)"
    return words


def site_words(crash: Crash) -> str:
    """The place of a fault: function, module, and how sure the function is."""
    site = crash.crash
    where = function_words(site.function, site.offset)
    module = f" in {site.module}" if site.module else ""
    sure = "" if site.exact else " (nearest symbol only)" if site.function else " (no symbol)"
    return f"{where}{module}{sure}"


def function_words(function: str | None, offset: int | None) -> str:
    """A function with its offset; without a symbol `??` with the offset from the module's base."""
    return f"{function or '??'}" if offset is None else f"{function or '??'}+{offset:#x}"


def frame_line(index: int, frame: ShownFrame) -> str:
    """A native frame as one line of plain text."""
    if frame.trampoline:
        return f"#{index:<3} <signal handler called>  (below is what it interrupted)"
    place = f" at {frame.file}:{frame.line}" if frame.file and frame.line else ""
    sure = "" if frame.exact or frame.function is None else "  [nearest symbol]"
    return f"#{index:<3} {function_words(frame.function, frame.offset)} ({frame.module or '??'}){place}{sure}"


def backtrace_text(crash: Crash) -> str:
    """A crash as plain text: the signal, or what the threads of a hang wait for; then the crashed thread."""
    thread = crash.crashed_thread
    lines = [hang_words(crash), *crash.waits[:WAITS]] if crash.hang else [signal_words(crash.signal)]
    if thread is None:
        return "\n".join([*lines, "no thread could be read"])
    return "\n".join([*lines, *stack_lines(crash, thread)])


def stack_lines(crash: Crash, thread: Thread) -> Iterator[str]:
    """A thread's frames as plain text, innermost first, Python frames among them."""
    for row in stack_rows(crash, thread):
        if row.left_out:
            yield f"     {row.left_out:,} frames left out"
        elif row.python:
            yield f"py   {row.python.function} ({row.python.file}:{row.python.line})"
        elif row.native:
            yield f"{frame_line(row.number, row.native)}{'  <- fault' if row.fault else ''}"
    yield from (f"py   {frame.function} ({frame.file}:{frame.line})" for frame in unplaced(thread))


def hang_words(crash: Crash) -> str:
    """The hang in one sentence, and whose signal ended it."""
    return f"{hangs.sentence(crash)} crashmatrix sent it {crash.signal.name}, to have this core written."


def telling_process(trial: Trial) -> str:
    """The process whose crash stands for a trial, where it is not the judged one."""
    return next((other.process.words for other in trial.others if other.crash), "")


def test_counts(tests: UserTests) -> str:
    """How many of the user's tests ended in which way, the worst first."""
    order = sorted(tests.counts.items(), key=lambda item: (not item[0].is_bad, -item[1]))
    return ", ".join(f"{count:,} {outcome}" for outcome, count in order if count) or "none ran"


def crashes_of(trial: Trial) -> Iterator[tuple[Crash, str]]:
    """The crashes of a trial that were read, each with words on its process: ` of worker 2`."""
    if trial.crash:
        yield trial.crash, f" while {trial.outcome.doing} ran" if trial.outcome.doing else ""
    yield from ((other.crash, f" of {other.process.words}") for other in trial.others if other.crash)


def core_words(core: CoreFile) -> str:
    """The state of a trial's core in words."""
    words = {CoreState.NONE: "none expected", CoreState.FOUND: "found", CoreState.LOST: "lost"}[core.state]
    if core.truncated:
        words += ", truncated"
    return f"{words}: {core.note}" if core.note else words


def cautions(result: CellResult | None) -> tuple[str, ...]:
    """The limits of a cell's evidence, each once; shown wherever its verdict is shown."""
    if result is None:
        return ()
    network = ("the container had a network",) if result.network else ()
    return tuple(dict.fromkeys((*network, *_unique(result.trials))))


def _unique(trials: Iterable[Trial]) -> Iterator[str]:
    for trial in trials:
        outcome, core, crash = trial.outcome, trial.core, trial.crash
        if outcome.emulated:
            yield "the architecture was emulated"
        if core.state is CoreState.LOST:
            yield f"core lost: {core.note}" if core.note else "core lost"
        if core.truncated or (crash and crash.truncated):
            yield "core truncated"
        if core.state is CoreState.FOUND and (core.note or crash is None):
            yield f"core: {core.note or 'could not be read'}"
        if crash:
            yield from _crash_cautions(crash)
        for other in trial.others:
            yield from _other_cautions(other)
        if trial.others_left_out:
            yield f"{trial.others_left_out:,} more crashes of other processes, whose cores were not collected"
        yield from _outcome_cautions(outcome)


def _outcome_cautions(outcome: Outcome) -> Iterator[str]:
    for stream in outcome.truncated_streams:
        yield f"{stream} exceeded the size limit and was cut"
    if outcome.disk_full:
        yield DISK_FULL
    yield from outcome.notes


def _other_cautions(other: OtherCrash) -> Iterator[str]:
    """The limits of the evidence of another process's crash, with its name."""
    core, crash, whose = other.core, other.crash, other.process.words
    if core.state is CoreState.LOST or core.note or crash is None:
        yield f"core of {whose} {core_words(core)}"
    if crash:
        yield from (f"{whose}: {caution}" for caution in _crash_cautions(crash))
    yield from (f"{whose}: {note}" for note in other.process.notes)


def _crash_cautions(crash: Crash) -> Iterator[str]:
    if crash.hang:
        # What its threads wait for is told from system calls and locks, not from the name of one function.
        yield from crash.limits
        return
    if crash.crash.function and not crash.crash.exact:
        yield f"nearest symbol: the fault is near {crash.crash.function}, perhaps not in it"
    elif crash.crash.function is None:
        yield "no symbol at the fault"
    yield from crash.limits


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
