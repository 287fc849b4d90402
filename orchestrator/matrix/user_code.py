"""The keys of a scenario for the user's code: the target, its files and its packages."""

__lazy_modules__ = ("packaging",)

import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from packaging import requirements, utils

from orchestrator.adapters.inside import resolve_inside
from orchestrator.adapters.yamlfile import Document
from orchestrator.errors import ErrorList, InputError
from orchestrator.matrix.files import FileCollector
from orchestrator.matrix.requirements import WHEEL, Requirements
from orchestrator.matrix.scenario_file import ScenarioFile
from orchestrator.model import CodeFile, PackageAxis, UserCode
from orchestrator.supervisor.targets import COMMAND, DRIVER, PYTEST, SCRIPT, WSGI

KEYS: Final = (DRIVER, SCRIPT, COMMAND, PYTEST, WSGI)
"""The keys of a scenario file that name a target, each called as its kind."""
AROUND: Final = ("arguments", "requires", "packages", "source", "files", "env", "network")
"""The keys for the needs of the user's code."""
BUILDS: Final = ("pyproject.toml", "setup.py")
TIMEOUTS: Final[Mapping[str, float]] = {PYTEST: 600.0}
"""The default time limit of a trial in seconds, by kind of target."""
TIMEOUT: Final = 60.0


@dataclass(frozen=True, kw_only=True)
class CodeReader:
    """Reads those keys of a scenario's file; mistakes go to `errors`. `folder` and `project` are resolved."""

    document: Document[ScenarioFile]
    folder: Path
    project: Path
    errors: ErrorList

    def read(self, packages: tuple[PackageAxis, ...]) -> UserCode | None:
        """The user's code; None for a scenario of a driver or probes without further needs."""
        entry, kind = self.document.value, self.kind
        if self._is_wrong(kind) or (kind == DRIVER and not self._stated(AROUND)):
            return None
        reader = Requirements(project=self.project, errors=self.errors)
        with self.errors.collect():
            required = list(self._requires(reader))
            return UserCode(
                kind=kind,
                file=_file(entry, kind),
                arguments=_arguments(entry, kind),
                requires=tuple(_with_pytest(required, packages) if kind == PYTEST else required),
                places=reader.places,
                packages=packages,
                source=self._source(),
                files=self._files(kind),
                env=entry.env,
                network=entry.network,
            )
        return None

    @property
    def kind(self) -> str:
        """The kind of target; a driver if none is named."""
        return next(iter(self._stated(KEYS)), DRIVER)

    def _stated(self, keys: tuple[str, ...]) -> list[str]:
        """Which of these keys the file has, with or without a mistake."""
        return [key for key in keys if (key,) in self.document.nodes or key in self.document.broken]

    def _is_wrong(self, kind: str) -> bool:
        """Whether the keys contradict each other; adds the errors."""
        stated, around = self._stated(KEYS), self._stated(AROUND)
        programs = any(language.is_program for language in self.document.value.probes)
        for other in stated[1:]:
            what = f"a scenario starts one thing, and there is {stated[0]!r} already"
            self._add(what, "remove one, or write two scenarios", other)
        misspelt = self.document.broken - ScenarioFile.model_fields.keys()
        if not stated and not programs and not misspelt and "probes" not in self.document.broken:
            self._add("the scenario starts nothing", f"add one of {', '.join(KEYS)}")
        if not stated and around:
            hint = "add one of script, command, pytest and wsgi"
            self._add(f"{around[0]!r} belongs to what is started", hint, around[0])
        if "arguments" in around and stated and kind != SCRIPT:
            hint = (
                f"write them behind the program in `{kind}`" if kind in (COMMAND, PYTEST) else "remove them"
            )
            self._add("`arguments` are those of a script", hint, "arguments")
        return not stated or len(stated) > 1 or bool({kind, *around} & self.document.broken)

    def _requires(self, reader: Requirements) -> Iterator[str]:
        """Each requirement, from the list or the file."""
        requires = self.document.value.requires
        if not isinstance(requires, str):
            for index, text in enumerate(requires):
                yield from reader.listed(text, self.folder, self.document.where("requires", index))
            return
        place = self.document.where("requires")
        path = self.folder / requires
        if not path.exists() and not requires.endswith((".txt", ".in")):
            self._add(
                f"requires: there is no file {requires!r}", f"write [{requires!r}] for a package", "requires"
            )
            return
        yield from reader.of_file(path, place)

    def _source(self) -> str | None:
        """The folder of the package that is built; raises InputError."""
        source, place = self.document.value.source, self.document.where("source")
        if source is None:
            return None
        folder = resolve_inside(self.folder / source, self.project, place)
        if not any((folder / name).is_file() for name in BUILDS):
            what = f"source: {source!r} has no {' and no '.join(BUILDS)}"
            raise InputError(what, where=place, hint="name the folder of a package that pip can build")
        return str(folder)

    def _files(self, kind: str) -> tuple[CodeFile, ...]:
        """The named files, else the whole folder; for a driver only its file."""
        entry, document = self.document.value, self.document
        started = [name for name in (entry.script, entry.driver) if name]
        for name in started:
            if not (self.folder / name).is_file():
                where = document.where(kind)
                raise InputError(f"{kind}: there is no file {name!r}", where=where, hint="correct its name")
        collector = FileCollector(folder=self.folder, project=self.project, where=document.where("files"))
        if entry.files is None and kind != DRIVER:
            return collector.whole()
        names = (*(entry.files or ()), *started)
        places = [document.where("files", index) for index in range(len(entry.files or ()))]
        return collector.named(names, (*places, *(document.where(kind) for _ in started)))

    def _add(self, what: str, hint: str, *place: str) -> None:
        self.errors.add(InputError(what, where=self.document.where(*place), hint=hint))


def _with_pytest(requires: Iterable[str], packages: tuple[PackageAxis, ...]) -> Iterator[str]:
    """The requirements, with pytest if none of them pins it."""
    named = {package.distribution for package in packages}
    for requirement in requires:
        named.add(_name(requirement))
        yield requirement
    if PYTEST not in named:
        yield PYTEST


def _name(requirement: str) -> str:
    """The distribution's normalized name, of a requirement or of a wheel file's path."""
    if requirement.endswith(WHEEL) and requirement.startswith("/"):
        return utils.parse_wheel_filename(Path(requirement).name)[0]
    return utils.canonicalize_name(requirements.Requirement(requirement.partition(" --hash")[0]).name)


def title_of(entry: ScenarioFile, kind: str) -> str:
    """The scenario's title, or what is started."""
    if entry.title:
        return entry.title
    words = {SCRIPT: ("python3",), PYTEST: ("pytest",), WSGI: ("WSGI application",)}.get(kind, ())
    return " ".join([*words, shlex.join(filter(None, (_file(entry, kind), *_arguments(entry, kind))))])


def _file(entry: ScenarioFile, kind: str) -> str:
    if kind == COMMAND:
        return entry.command[0] if entry.command else ""
    return {SCRIPT: entry.script, WSGI: entry.wsgi, DRIVER: entry.driver}.get(kind) or ""


def _arguments(entry: ScenarioFile, kind: str) -> tuple[str, ...]:
    if kind == COMMAND:
        return (entry.command or ())[1:]
    return (entry.pytest or ()) if kind == PYTEST else entry.arguments
