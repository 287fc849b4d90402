"""The packages of each cell: resolved first; a cell without wheels is excluded, with the reason."""

from __future__ import annotations

__lazy_modules__ = ("orchestrator",)

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from orchestrator import images, packages, rundir
from orchestrator import matrix as planning
from orchestrator.errors import Location
from orchestrator.launchers import LAUNCHERS
from orchestrator.model import (
    COMMIT,
    FREE_THREADED,
    Arch,
    Catalogue,
    CellEnvironment,
    CellPackages,
    CodeFile,
    ExcludedCells,
    NoWheel,
    PackageAxis,
    PackageLock,
    PackageQuestion,
    PlannedCell,
    Scenario,
    SelectedCells,
    SourceBuild,
    WheelPlatform,
    WheelTree,
)

Answer = PackageLock | NoWheel
LockOf = Callable[[PackageQuestion], PackageLock | NoWheel]
Axes = Mapping[str, str]
Options = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Wants:
    """What a cell asks of an index: for running it, and for building its source if it has one."""

    runs: PackageQuestion
    builds: PackageQuestion | None = None
    source: str | None = None
    """The folder of the package that is built."""
    refused: str | None = None
    """Why it cannot be built there."""

    @property
    def questions(self) -> tuple[PackageQuestion, ...]:
        """All questions."""
        return (self.runs, *([self.builds] if self.builds else []))


@dataclass(frozen=True, kw_only=True)
class Requirements:
    """What the cells of a project's scenarios require; `root` is the project's folder."""

    catalogue: Catalogue
    root: Path
    _projects: dict[str, packages.PackageProject] = field(default_factory=dict)
    _files: dict[str, tuple[CodeFile, ...]] = field(default_factory=dict)

    def of(self, scenario: Scenario, axes: Axes, options: Options) -> Wants | None:
        """What a cell with these axis values and launcher options asks for; None if it needs nothing."""
        code, own = scenario.code, LAUNCHERS[axes["launcher"]].requires(options)
        if code is None or not (code.requires or code.packages or code.source or own):
            return None
        environment = self._environment(axes)
        if environment is None:
            return None
        pins = (_pin(item, axes[item.axis]) for item in code.packages)
        required = (*code.requires, *pins, *own)
        source = code.source_in(axes)
        if source is None:
            return Wants(runs=self._question(required, axes))
        project = self._project(source)
        return Wants(
            source=source,
            runs=self._question((*required, *project.runs), axes),
            builds=self._question(project.builds, axes),
            refused=images.lacks_compiler(environment),
        )

    def installed(self, scenario: Scenario, wants: Wants, lock_of: LockOf) -> CellPackages | NoWheel:
        """The packages of a cell, or why it cannot have them."""
        lock = lock_of(wants.runs)
        if isinstance(lock, NoWheel):
            return lock
        if wants.refused:
            return NoWheel(reason=wants.refused)
        tree = WheelTree(lock=lock, platform=wants.runs.platform, folder=wants.runs.folder)
        if wants.builds is None or wants.source is None or scenario.code is None:
            return CellPackages(tree=tree)
        tools, name = lock_of(wants.builds), self._name(scenario.code.source or wants.source)
        if isinstance(tools, NoWheel):
            return NoWheel(reason=f"what builds {name} is not there: {tools.reason}")
        return CellPackages(
            tree=tree,
            source=SourceBuild(
                name=name,
                folder=wants.source,
                files=self._sources(wants.source),
                tools=tree.model_copy(update={"lock": tools, "venv": images.TOOLS}),
            ),
        )

    def places(self, scenarios: Iterable[Scenario]) -> dict[str, Location]:
        """Where the requirements are written: in scenarios, and in the packages that were read so far."""
        found: dict[str, Location] = {}
        for scenario in scenarios:
            code = scenario.code
            found |= code.places if code else {}
            for package in code.packages if code else ():
                pinned = (_pin(package, version) for version in package.versions)
                found |= dict(zip(pinned, package.places, strict=False))
        for project in self._projects.values():
            found = {**project.places, **found}
        return found

    def platform(self, axes: Axes) -> WheelPlatform:
        """What the wheels of a cell must run on."""
        arch = Arch(axes["arch"])
        made = self.catalogue.made_of(axes["python"], axes["glibc"], arch)
        python = made.version if made else axes["python"]
        return WheelPlatform(
            python=python.removesuffix(FREE_THREADED),
            glibc=axes["glibc"],
            arch=arch,
            free_threaded=python.endswith(FREE_THREADED),
        )

    def _question(self, requirements: Iterable[str], axes: Axes) -> PackageQuestion:
        return PackageQuestion(
            requirements=tuple(dict.fromkeys(requirements)),
            platform=self.platform(axes),
            folder=str(self.root),
        )

    def _environment(self, axes: Axes) -> CellEnvironment | None:
        arch = Arch(axes["arch"])
        base = self.catalogue.base_for(axes["glibc"], arch)
        python = self.catalogue.interpreter_for(base, axes["python"], arch) if base else None
        if base is None or python is None:
            return None
        return CellEnvironment(base=base, python=python, arch=arch, host=self.catalogue.host)

    def _project(self, source: str) -> packages.PackageProject:
        if source not in self._projects:
            self._projects[source] = packages.read_project(Path(source))
        return self._projects[source]

    def _sources(self, source: str) -> tuple[CodeFile, ...]:
        if source not in self._files:
            self._files[source] = planning.whole_folder(Path(source))
        return self._files[source]

    def _name(self, source: str) -> str:
        """A source as the user knows it: its path in the project, or the name of the project's folder."""
        folder, root = Path(source).resolve(), self.root.resolve()
        inside = folder.relative_to(root).as_posix() if folder.is_relative_to(root) else folder.name
        return root.name if inside == "." else inside


def _pin(package: PackageAxis, version: str) -> str:
    """The requirement of a version of a package."""
    return f"{package.distribution}=={version}"


def deciding_axes(scenario: Scenario) -> tuple[str, ...]:
    """The axes that decide what a scenario's cells install."""
    code = scenario.code
    packages = code.packages if code else ()
    commit = (COMMIT,) if code and code.revisions else ()
    return ("python", "glibc", "arch", "launcher", *(item.axis for item in packages), *commit)


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
        locks = [answer for answer in self.answers.values() if isinstance(answer, PackageLock)]
        return {lock.digest: lock for lock in locks}


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
"""The locks that a cell is to have: of what it runs, and of what builds its source."""


def given_again(
    cells: Iterable[SelectedCells],
    scenarios: Mapping[str, Scenario],
    requirements: Requirements,
    given: Given,
) -> dict[PackageQuestion, Answer]:
    """Answers from locks that are there already; what builds a source may lack one."""
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
    """Each combination of the values that decide what cells install."""
    (name,) = item.axes["scenario"]
    scenario = scenarios[name]
    if scenario.code is None:
        return
    named = deciding_axes(scenario)
    for values in product(*(item.axes[axis] for axis in named)):
        yield scenario, dict(zip(named, values, strict=True))
