"""The limits of a cell's evidence, in words."""

from collections.abc import Iterable, Iterator

from orchestrator.model import DISK_FULL, CellResult, CoreState, Crash, OtherCrash, Outcome, Trial
from orchestrator.report.cell_words import core_words


def cautions(result: CellResult | None) -> tuple[str, ...]:
    """The limits of a cell's evidence, each once; shown wherever its verdict is shown."""
    if result is None:
        return ()
    network = ("the container had a network",) if result.network else ()
    built = (f"compiled here from {', '.join(result.built)}",) if result.built else ()
    return tuple(dict.fromkeys((*network, *built, *_unique(result.trials))))


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
        # The waits of its threads come from system calls and locks, not from the name of one function.
        yield from crash.limits
        return
    if crash.crash.function and not crash.crash.exact:
        yield f"nearest symbol: the fault is near {crash.crash.function}, perhaps not in it"
    elif crash.crash.function is None:
        yield "no symbol at the fault"
    yield from crash.limits
