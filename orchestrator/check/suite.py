"""A package's own tests, as its source tree or source distribution has them: what runs, and what it needs.

The folder of the tests is copied without the package's source, so that the installed wheel is tested.
"""

from __future__ import annotations

__lazy_modules__ = ("packaging",)

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from packaging import requirements

FOLDERS: Final = ("tests", "test", "testing")
"""Names of a folder of tests."""
EXTRAS: Final = ("test", "tests", "testing", "dev")
"""Names of the extra, or dependency group (PEP 735), with the requirements of tests; the first one wins."""
LISTS: Final = (
    "tests/requirements.txt",
    "test/requirements.txt",
    "requirements/test.txt",
    "requirements/tests.txt",
    "requirements-test.txt",
    "requirements-tests.txt",
    "requirements_test.txt",
    "test-requirements.txt",
    "test_requirements.txt",
)
"""Requirements files of tests."""
SETTINGS: Final = ("pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg", "conftest.py")
"""Files beside a folder of tests that pytest reads."""
MOST_FILES: Final = 20_000
LARGEST: Final = 256 << 20
"""Bytes of all files of the tests."""
SMALL: Final = 1 << 20
"""Bytes of a file of metadata that is read."""


@dataclass(frozen=True, kw_only=True)
class Suite:
    """The tests of a package: a folder of its own in the check's project, unless they are in the wheel."""

    version: str
    """The version whose tests they are; empty: that of the user's own folder."""
    files: Mapping[str, Path]
    """The files by their names below the suite's folder; empty: the installed package has the tests."""
    start: str
    """The folder of the tests below that, or the package that has them."""
    extra: str
    """The extra of the package that its tests need; empty: none is known."""
    requires: tuple[str, ...]
    """What they need beside that."""


def suite_of(folder: Path, distribution: str, version: str = "") -> Suite | None:
    """The tests of the package whose source is in a folder; None where it has none."""
    stated = _stated(folder)
    extra = _extra(folder, stated) if version else ""
    requires = tuple(_requires(folder, stated, lists=not extra, extras=not version))
    for name in FOLDERS:
        if _has_tests(folder / name):
            files = dict(_files(folder, name))
            return Suite(version=version, files=files, start=name, extra=extra, requires=requires)
    for package in _packages(folder, distribution):
        if any(_has_tests(package / name) for name in FOLDERS):
            return Suite(version=version, files={}, start=package.name, extra=extra, requires=requires)
    return None


def _packages(folder: Path, distribution: str) -> Iterator[Path]:
    """The folders that may be the package itself."""
    name = re.sub(r"[-_.]+", "_", distribution)
    for parent in (folder, folder / "src", folder / "python"):
        yield parent / name


def _has_tests(folder: Path) -> bool:
    if not folder.is_dir() or folder.is_symlink():
        return False
    return any(re.fullmatch(r"(test_.*|.*_test)\.py", path.name) for path in folder.rglob("*.py"))


def _files(folder: Path, tests: str) -> Iterator[tuple[str, Path]]:
    """The files of the tests and those that pytest reads beside them; links are left out."""
    for name in SETTINGS:
        if (folder / name).is_file() and not (folder / name).is_symlink():
            yield name, folder / name
    room, count = LARGEST, 0
    for place, folders, names in os.walk(folder / tests):
        folders[:] = sorted(name for name in folders if name not in ("__pycache__", ".pytest_cache"))
        for path in (Path(place) / name for name in sorted(names)):
            if path.is_symlink() or not path.is_file():
                continue
            room, count = room - path.stat().st_size, count + 1
            if room < 0 or count > MOST_FILES:
                return
            yield path.relative_to(folder).as_posix(), path


def _stated(folder: Path) -> Mapping[str, object]:
    """pyproject.toml, as far as it can be read."""
    try:
        return tomllib.loads(_text(folder / "pyproject.toml"))
    except ValueError:
        return {}


def _text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return stream.read(SMALL).decode("utf-8", "replace")
    except OSError:
        return ""


def _extra(folder: Path, stated: Mapping[str, object]) -> str:
    """The extra of tests that the metadata of a source distribution, or its project, names."""
    named = re.findall(r"^Provides-Extra: ([\w.-]{1,80})\s*$", _text(folder / "PKG-INFO"), re.MULTILINE)
    known = {*named, *_table(stated, "project", "optional-dependencies")}
    return next((name for name in EXTRAS if name in known), "")


def _requires(folder: Path, stated: Mapping[str, object], *, lists: bool, extras: bool) -> Iterator[str]:
    """Requirements of tests that the folder states: of a group, of an extra, else of a file."""
    tables = [_table(stated, "dependency-groups")]
    if extras:
        tables.append(_table(stated, "project", "optional-dependencies"))
    for table in tables:
        for name in EXTRAS:
            found = list(_parsed(table.get(name)))
            if found:
                yield from found
                return
    if lists:
        for name in LISTS:
            found = list(_parsed(_text(folder / name).splitlines()))
            if found:
                yield from found
                return


def _table(stated: Mapping[str, object], *keys: str) -> Mapping[str, object]:
    found: object = stated
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def _parsed(lines: object) -> Iterator[str]:
    """The lines that are requirements of an index; options, addresses and includes are left out."""
    for line in lines if isinstance(lines, list) else ():
        text = re.sub(r"(^|\s)#.*", "", line).strip() if isinstance(line, str) else ""
        try:
            wanted = requirements.Requirement(text)
        except requirements.InvalidRequirement:
            continue
        if not wanted.url:
            yield str(wanted)
