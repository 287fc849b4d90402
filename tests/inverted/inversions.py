"""The inversions of an expectation, and the verdict of one of them on a result."""

from collections.abc import Iterator
from pathlib import Path

from orchestrator.model import (
    AddressRange,
    CellResult,
    Children,
    Expectation,
    OutcomeKind,
    Verdict,
    WantedFinding,
)
from orchestrator.model.scenario import LAST_ADDRESS
from orchestrator.pipeline.observation import observation_of
from orchestrator.verdict import Tally

NOWHERE = "no_function_is_called_so"


def inversions(right: Expectation) -> Iterator[tuple[str, Expectation]]:
    """One expectation for each part, with only that part inverted, and the part's name; none may pass."""
    yield "outcome", _another_end(right)
    if right.status is not None:
        yield "status", right.model_copy(update={"status": (right.status + 1) % 256})
    if right.signal is not None:
        other = "SIGABRT" if right.signal == "SIGSEGV" else "SIGSEGV"
        yield "signal", right.model_copy(update={"signal": other})
    for place in range(len(right.frames)):
        names = (*right.frames[:place], NOWHERE, *right.frames[place + 1 :])
        yield f"frame {right.frames[place]}", right.model_copy(update={"frames": names})
    if len(right.frames) > 1:
        yield "order of the frames", right.model_copy(update={"frames": right.frames[::-1]})
    if right.fault_address is not None:
        yield "fault address", right.model_copy(update={"fault_address": _outside(right.fault_address)})
    if right.message is not None:
        yield "message", right.model_copy(update={"message": None, "absent": right.message})
    if right.absent is not None:
        yield "absent", right.model_copy(update={"absent": None, "message": right.absent})
    yield from _other_children(right)
    if right.evidence is not None:
        for name, evidence in _other_findings(right.evidence):
            yield name, right.model_copy(update={"evidence": evidence})


def judged(folder: Path, result: CellResult, expectation: Expectation) -> Verdict:
    """The verdict of an expectation on the trials that the run in `folder` kept of a cell."""
    tally = Tally(expectation)
    for trial in result.trials:
        tally.add(observation_of(folder, trial))
    return tally.judgement.verdict


def passing(folder: Path, result: CellResult) -> list[str]:
    """The parts of a cell's expectation whose inversion does not fail; there should be none."""
    return [
        name
        for name, wrong in inversions(result.expectation)
        if judged(folder, result, wrong) is not Verdict.FAIL
    ]


def _other_children(right: Expectation) -> Iterator[tuple[str, Expectation]]:
    if right.children is Children.CRASH:
        nothing = {"signal": None, "frames": (), "fault_address": None}
        yield "children", right.model_copy(update={"children": Children.FORBIDDEN, **nothing})


def _another_end(right: Expectation) -> Expectation:
    """A crash where none is expected; no crash where one is."""
    if right.kind is OutcomeKind.SIGNAL:
        no_crash = {"kind": OutcomeKind.EXIT, "signal": None, "frames": (), "fault_address": None}
        return right.model_copy(update=no_crash)
    crash = {"kind": OutcomeKind.SIGNAL, "signal": "SIGSEGV", "status": None, "survive": None}
    return right.model_copy(update=crash)


def _outside(inside: AddressRange) -> AddressRange:
    """The addresses above a range, or below one that has none above it."""
    if inside.highest < LAST_ADDRESS:
        return AddressRange.parse(f"> {inside.highest:#x}")
    return AddressRange.parse(f"< {inside.lowest:#x}")


def _other_findings(right: WantedFinding) -> Iterator[tuple[str, WantedFinding]]:
    never, some = {"at_least": 0, "at_most": 0}, {"at_least": 1, "at_most": None}
    yield "evidence", right.model_copy(update=some if right.at_most == 0 else never)
    for name in ("frames", "freed", "allocated"):
        if getattr(right, name):
            yield f"evidence's {name}", right.model_copy(update={name: (NOWHERE,)})
