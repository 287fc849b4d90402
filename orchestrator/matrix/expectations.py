"""Entries of `expect`, and the expectation of cells that none of them matches."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from orchestrator.adapters.yamlfile import Document
from orchestrator.errors import InputError
from orchestrator.matrix.expression import Constant
from orchestrator.matrix.rules import ExpectationRule
from orchestrator.matrix.scenario_file import CLEAN, ExpectFile, ScenarioFile
from orchestrator.model import AddressRange, Children, Expectation, OutcomeKind

DEFAULT: Final = ExpectationRule(
    when=Constant(True),
    expectation=Expectation(
        kind=OutcomeKind.EXIT,
        children=Children.FORBIDDEN,
        because="the scenario states nothing else for this cell",
        is_default=True,
    ),
    clean=True,
)
"""The expectation for the user's code in a cell that no entry matches: it works."""


def default_of(where: str) -> ExpectationRule:
    """The default of the scenario whose code is named at `where`, which reports link as the cell's rule."""
    return replace(DEFAULT, expectation=DEFAULT.expectation.model_copy(update={"where": where}))


def expectation_of(entry: ExpectFile, where: str) -> Expectation:
    """The expectation of an entry, whose place is `where`."""
    return Expectation(
        kind=entry.outcome,
        status=None if entry.status == CLEAN else entry.status,
        signal=entry.signal,
        frames=entry.frames,
        fault_address=AddressRange.parse(entry.fault_address) if entry.fault_address else None,
        message=entry.message,
        absent=entry.absent,
        evidence=entry.evidence,
        children=entry.children,
        survive=entry.survive,
        because=entry.because.strip(),
        source=entry.source,
        where=where,
    )


def expectation_errors(
    document: Document[ScenarioFile], index: int, entry: ExpectFile
) -> Iterator[InputError]:
    """Errors for fields that the rule's kind of outcome does not have, and that could never be judged."""
    if entry.status is not None and entry.outcome is not OutcomeKind.EXIT:
        yield InputError(
            f"outcome {entry.outcome} has no exit status",
            hint="remove `status`",
            where=document.where("expect", index, "status"),
        )
    if entry.survive and (entry.outcome is OutcomeKind.SIGNAL or entry.children is Children.CRASH):
        yield InputError(
            "a cell that must crash cannot survive",
            hint="remove `survive`, or state another outcome",
            where=document.where("expect", index, "survive"),
        )
    if entry.outcome is OutcomeKind.SIGNAL and not entry.signal:
        yield InputError(
            "outcome signal must name its signal",
            hint="add for example signal: SIGSEGV",
            where=document.where("expect", index),
        )
    must_crash = entry.outcome is OutcomeKind.SIGNAL or entry.children is Children.CRASH
    if must_crash and not entry.because.strip():
        yield InputError(
            "an expected crash must say why it comes",
            hint="add `because`, in one sentence",
            where=document.where("expect", index),
        )
    of_a_crash = entry.signal or entry.frames or entry.fault_address
    if entry.outcome is not OutcomeKind.SIGNAL and entry.children is not Children.CRASH and of_a_crash:
        yield InputError(
            f"outcome {entry.outcome} has no signal, no frames and no fault address",
            hint="remove them, or write outcome: signal, or children: crash where another process crashes",
            where=document.where("expect", index),
        )
