"""The packages of each cell: resolved first; a cell without wheels is excluded, with the reason."""

from __future__ import annotations

__lazy_modules__ = ("orchestrator",)

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product

from orchestrator import packages, rundir
from orchestrator.model import (
    CellPackages,
    ExcludedCells,
    NoWheel,
    PackageLock,
    PackageQuestion,
    PlannedCell,
    Scenario,
    SelectedCells,
)
from orchestrator.pipeline.requirements import Answer, Axes, Options, Requirements, deciding_axes


@dataclass(frozen=True, kw_only=True)
class Packages:
    """The packages of the cells of a plan."""

    requirements: Requirements
    answers: Mapping[PackageQuestion, Answer]

    def of(self, scenario: Scenario, axes: Axes, options: Options) -> CellPackages | NoWheel | None:
        """The packages of a cell, or why it cannot have them; None if it needs none."""
        wants = self.requirements.of(scenario, axes, options)
        return self.requirements.installed(scenario, wants, self.answers.__getitem__) if wants else None

    @property
    def locks(self) -> dict[str, PackageLock]:
        """The locks by digest."""
        answers = [answer for answer in self.answers.values() if isinstance(answer, PackageLock)]
        return {lock.digest: lock for answer in answers for lock in answer.with_tools}


def resolve(
    cells: Iterable[SelectedCells],
    scenarios: Mapping[str, Scenario],
    requirements: Requirements,
    ask: Callable[[Iterable[PackageQuestion]], Mapping[PackageQuestion, Answer]],
    known: Mapping[PackageQuestion, Answer],
) -> Packages:
    """The packages of selected cells; each question is asked once, and none that is `known`."""
    wants = [
        requirements.of(scenario, axes, item.terms.options)
        for item in cells
        for scenario, axes in _each(item, scenarios)
    ]
    asked = [item for one in wants if one for item in one.questions if item not in known]
    return Packages(requirements=requirements, answers={**known, **(ask(asked) if asked else {})})


Given = Callable[[Scenario, Axes], tuple[PackageLock | None, PackageLock | None]]
"""The given locks of a cell: of its packages, and of the build tools of its source."""


def given_again(
    cells: Iterable[SelectedCells],
    scenarios: Mapping[str, Scenario],
    requirements: Requirements,
    given: Given,
) -> dict[PackageQuestion, Answer]:
    """Answers from existing locks; the build tools of a source may have none."""
    found: dict[PackageQuestion, Answer] = {}
    for item in cells:
        for scenario, axes in _each(item, scenarios):
            wants = requirements.of(scenario, axes, item.terms.options)
            if wants is None:
                continue
            runs, tools = given(scenario, axes)
            found[wants.runs] = _again(runs, wants.runs)
            if wants.builds and tools:
                found[wants.builds] = _again(tools, wants.builds)
    return found


def _again(lock: PackageLock | None, question: PackageQuestion) -> Answer:
    if lock is None:
        return NoWheel(reason="--lock has no packages of this cell")
    wrong = packages.misfit(lock, question.platform)
    return NoWheel(reason=f"--lock: {wrong}") if wrong else packages.placed(lock, question)


def of_run(run: rundir.RunFolder, scenarios: Mapping[str, Scenario]) -> Given:
    """The locks of an earlier run, by the values of the axes that decide them."""
    known: dict[tuple[str, ...], PlannedCell] = {}

    def key(scenario: Scenario, axes: Axes) -> tuple[str, ...]:
        return (scenario.name, *(axes.get(axis, "") for axis in deciding_axes(scenario)))

    for item in run.plan.cells:
        if item.lock and item.cell.scenario in scenarios:
            known.setdefault(key(scenarios[item.cell.scenario], item.cell.axes), item)

    def given(scenario: Scenario, axes: Axes) -> tuple[PackageLock | None, PackageLock | None]:
        item = known.get(key(scenario, axes))
        digests = (item.lock, item.tools) if item else (None, None)
        runs, tools = (run.lock(digest) if digest else None for digest in digests)
        return runs, tools

    return given


def divided(
    cells: Iterable[SelectedCells], scenarios: Mapping[str, Scenario], packages: Packages
) -> tuple[list[SelectedCells], list[ExcludedCells]]:
    """The cells that can have their packages, and those that cannot, with the reason."""
    left: list[SelectedCells] = []
    out: list[ExcludedCells] = []
    for item in cells:
        options = item.terms.options
        found = [(axes, packages.of(scenario, axes, options)) for scenario, axes in _each(item, scenarios)]
        if not any(isinstance(answer, NoWheel) for _, answer in found):
            left.append(item)
            continue
        for axes, answer in found:
            one = {axis: (axes[axis],) if axis in axes else values for axis, values in item.axes.items()}
            if isinstance(answer, NoWheel):
                out.append(ExcludedCells(axes=one, reason=answer.reason))
            else:
                left.append(item.model_copy(update={"axes": one}))
    return left, out


def _each(item: SelectedCells, scenarios: Mapping[str, Scenario]) -> Iterator[tuple[Scenario, Axes]]:
    """Each combination of the values that decide the packages of cells."""
    (name,) = item.axes["scenario"]
    scenario = scenarios[name]
    if scenario.code is None:
        return
    named = deciding_axes(scenario)
    for values in product(*(item.axes[axis] for axis in named)):
        yield scenario, dict(zip(named, values, strict=True))
