"""The requirements of a project's cells, and the packages that they are resolved to."""

from __future__ import annotations

__lazy_modules__ = ("orchestrator",)

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator import images, packages
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
    LockedWheel,
    NoWheel,
    PackageAxis,
    PackageLock,
    PackageQuestion,
    Scenario,
    SdistBuild,
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
    """The package questions of a cell: for running it, and for building its source if it has one."""

    runs: PackageQuestion
    builds: PackageQuestion | None = None
    source: str | None = None
    """The folder of the package that is built."""
    refused: str | None = None
    """Why nothing can be built there."""

    @property
    def questions(self) -> tuple[PackageQuestion, ...]:
        """All questions."""
        return (self.runs, *([self.builds] if self.builds else []))


@dataclass(frozen=True, kw_only=True)
class Requirements:
    """The requirements of the cells of a project's scenarios; `root` is the project's folder."""

    catalogue: Catalogue
    root: Path
    build_missing: bool = False
    """Whether what has no wheel is built from its source distribution."""
    offline: bool = False
    _sdists: dict[str, str] = field(default_factory=dict)
    _projects: dict[str, packages.PackageProject] = field(default_factory=dict)
    _files: dict[str, tuple[CodeFile, ...]] = field(default_factory=dict)

    def of(self, scenario: Scenario, axes: Axes, options: Options) -> Wants | None:
        """The questions of a cell with these axis values and launcher options; None if it needs nothing."""
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
            return Wants(
                runs=self._question(required, axes, build_missing=self.build_missing),
                refused=images.lacks_compiler(environment),
            )
        project = self._project(source)
        return Wants(
            source=source,
            runs=self._question((*required, *project.runs), axes, build_missing=self.build_missing),
            builds=self._question(project.builds, axes),
            refused=images.lacks_compiler(environment),
        )

    def installed(self, scenario: Scenario, wants: Wants, lock_of: LockOf) -> CellPackages | NoWheel:
        """The packages of a cell, or why it cannot have them."""
        lock = lock_of(wants.runs)
        if isinstance(lock, NoWheel):
            return lock
        if wants.refused and (wants.source or lock.sdists):
            named = [f"{item.name} {item.version} has no wheel here" for item in lock.sdists[:1]]
            return NoWheel(reason=", and ".join((*named, wants.refused)))
        tree = WheelTree(lock=lock, platform=wants.runs.platform, folder=wants.runs.folder)
        sdists = self._sdists_of(tree)
        if wants.builds is None or wants.source is None or scenario.code is None:
            return CellPackages(tree=tree, sdists=sdists)
        tools, name = lock_of(wants.builds), self._name(scenario.code.source or wants.source)
        if isinstance(tools, NoWheel):
            return NoWheel(reason=f"what builds {name} is not there: {tools.reason}")
        return CellPackages(
            tree=tree,
            sdists=sdists,
            source=SourceBuild(
                name=name,
                folder=wants.source,
                files=self._sources(wants.source),
                tools=_tools(tree, tools),
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
        """The platform of a cell's wheels."""
        arch = Arch(axes["arch"])
        made = self.catalogue.made_of(axes["python"], axes["glibc"], arch)
        python = made.version if made else axes["python"]
        return WheelPlatform(
            python=python.removesuffix(FREE_THREADED),
            glibc=axes["glibc"],
            arch=arch,
            free_threaded=python.endswith(FREE_THREADED),
        )

    def _question(
        self, requirements: Iterable[str], axes: Axes, *, build_missing: bool = False
    ) -> PackageQuestion:
        return PackageQuestion(
            requirements=tuple(dict.fromkeys(requirements)),
            platform=self.platform(axes),
            folder=str(self.root),
            build_missing=build_missing,
        )

    def _sdists_of(self, tree: WheelTree) -> tuple[SdistBuild, ...]:
        """What is built of the source distributions of a lock."""
        return tuple(
            SdistBuild(sdist=item, path=self._file_of(item), tools=_tools(tree, item.tools))
            for item in tree.lock.sdists
            if item.tools
        )

    def _file_of(self, sdist: LockedWheel) -> str:
        if sdist.sha256 not in self._sdists:
            resolver = packages.Resolver(folder=self.root, offline=self.offline)
            self._sdists[sdist.sha256] = str(resolver.file_of(sdist))
        return self._sdists[sdist.sha256]

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


def _tools(tree: WheelTree, lock: PackageLock) -> WheelTree:
    """What builds a package, beside what a cell runs."""
    return tree.model_copy(update={"lock": lock, "venv": images.TOOLS})


def _pin(package: PackageAxis, version: str) -> str:
    """The requirement of a version of a package."""
    return f"{package.distribution}=={version}"


def deciding_axes(scenario: Scenario) -> tuple[str, ...]:
    """The axes that decide the packages of a scenario's cells."""
    code = scenario.code
    packages = code.packages if code else ()
    commit = (COMMIT,) if code and code.revisions else ()
    return ("python", "glibc", "arch", "launcher", *(item.axis for item in packages), *commit)
