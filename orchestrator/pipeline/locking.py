"""The packages of each cell: resolved first; a cell without wheels is excluded, with the reason."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from orchestrator.launchers import LAUNCHERS
from orchestrator.model import (
    Arch,
    Catalogue,
    ExcludedCells,
    NoWheel,
    PackageLock,
    PackageQuestion,
    Scenario,
    SelectedCells,
    WheelPlatform,
    WheelTree,
)

Answer = PackageLock | NoWheel
Answers = Mapping[PackageQuestion, Answer]
Ask = Callable[[Iterable[PackageQuestion]], Answers]
Axes = Mapping[str, str]
Options = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Packages:
    """What the cells of a plan install; `answers` has every question of theirs."""

    questions: "Questions"
    answers: Answers

    def tree_of(self, scenario: Scenario, axes: Axes, options: Options) -> WheelTree | None:
        """The packages of a cell with these axis values and launcher options; None if it needs none."""
        question = self.questions.of(scenario, axes, options)
        answer = self.answers.get(question) if question else None
        if question is None or not isinstance(answer, PackageLock):
            return None
        return WheelTree(lock=answer, platform=question.platform, folder=question.folder)

    @property
    def locks(self) -> dict[str, PackageLock]:
        """The locks by digest."""
        locks = [answer for answer in self.answers.values() if isinstance(answer, PackageLock)]
        return {lock.digest: lock for lock in locks}


@dataclass(frozen=True, kw_only=True)
class Questions:
    """What cells ask of an index; `folder` is the project's."""

    catalogue: Catalogue
    folder: Path

    def of(self, scenario: Scenario, axes: Axes, options: Options) -> PackageQuestion | None:
        """The requirements of a cell with these axis values and launcher options; None if it has none."""
        code, own = scenario.code, LAUNCHERS[axes["launcher"]].requires(options)
        if code is None or not (code.requires or code.packages or own):
            return None
        arch = Arch(axes["arch"])
        made = self.catalogue.made_of(axes["python"], axes["glibc"], arch)
        if made is None:
            return None
        pins = (f"{item.distribution}=={axes[item.axis]}" for item in code.packages)
        return PackageQuestion(
            requirements=(*code.requires, *pins, *(item for item in own if item not in code.requires)),
            platform=WheelPlatform(python=made.version, glibc=axes["glibc"], arch=arch),
            folder=str(self.folder),
        )


def deciding_axes(scenario: Scenario) -> tuple[str, ...]:
    """The axes that decide what a scenario's cells install."""
    packages = scenario.code.packages if scenario.code else ()
    return ("python", "glibc", "arch", "launcher", *(item.axis for item in packages))


def with_packages(
    cells: Iterable[SelectedCells], scenarios: Mapping[str, Scenario], questions: Questions, ask: Ask
) -> tuple[list[SelectedCells], list[ExcludedCells], Packages]:
    """The cells that can have their packages, those that cannot with the reason, and the packages."""
    chosen = list(cells)
    asked = [
        question
        for item in chosen
        for scenario, axes in _each(item, scenarios)
        if (question := questions.of(scenario, axes, item.terms.options))
    ]
    answers = ask(asked) if asked else {}
    left: list[SelectedCells] = []
    out: list[ExcludedCells] = []
    for item in chosen:
        for part, answer in _parts(item, scenarios, questions, answers):
            if isinstance(answer, NoWheel):
                out.append(ExcludedCells(axes=part.axes, reason=answer.reason))
            else:
                left.append(part)
    return left, out, Packages(questions=questions, answers=answers)


def _each(item: SelectedCells, scenarios: Mapping[str, Scenario]) -> Iterator[tuple[Scenario, Axes]]:
    """Each combination of the values that decide what cells install."""
    (name,) = item.axes["scenario"]
    scenario = scenarios[name]
    if scenario.code is None:
        return
    named = deciding_axes(scenario)
    for values in product(*(item.axes[axis] for axis in named)):
        yield scenario, dict(zip(named, values, strict=True))


def _parts(
    item: SelectedCells, scenarios: Mapping[str, Scenario], questions: Questions, answers: Answers
) -> Iterator[tuple[SelectedCells, Answer | None]]:
    """Selected cells, divided where the answers to their questions differ in kind."""
    found = []
    for scenario, axes in _each(item, scenarios):
        question = questions.of(scenario, axes, item.terms.options)
        found.append((axes, answers[question] if question else None))
    if not any(isinstance(answer, NoWheel) for _, answer in found):
        yield item, None
        return
    for axes, answer in found:
        one = {axis: (axes[axis],) if axis in axes else values for axis, values in item.axes.items()}
        yield item.model_copy(update={"axes": one}), answer
