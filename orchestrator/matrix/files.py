"""The files of a scenario that enter its images: those that it names, or its whole folder."""

import os
import re
import stat
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Final, NoReturn

from orchestrator.adapters.inside import resolve_inside
from orchestrator.errors import InputError, Location
from orchestrator.model import CodeFile

MAX_FILES: Final = 20_000
MAX_BYTES: Final = 200 << 20
"""Bytes of all files together; each cell's image holds them."""
VENV: Final = "pyvenv.cfg"
CACHE_TAG: Final = "CACHEDIR.TAG"
"""A file that marks a folder as a cache (https://bford.info/cachedir/); cargo, pytest and mypy write it."""
LEFT_OUT: Final = frozenset({
    ".git", ".hg", ".svn", ".bzr", ".jj", "node_modules", "__pycache__", ".eggs",
    ".tox", ".nox", ".cache", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis",
})  # fmt: skip
"""Folders that are left out at any depth of a folder that is taken as a whole, and so are *.egg-info."""
LEFT_OUT_ON_TOP: Final = frozenset({
    "build", "dist", "reports", "scenarios", "matrix.yaml", "scenario.yaml", ".crashmatrix",
})  # fmt: skip
"""Names that are left out directly in the folder that is taken as a whole."""
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\\]")


def whole_folder(folder: Path) -> tuple[CodeFile, ...]:
    """The files of a package's source: its whole folder without generated files; raises InputError."""
    found = folder.resolve()
    return FileCollector(folder=found, project=found, where=Location(file=str(folder))).whole()


@dataclass(kw_only=True)
class FileCollector:
    """Collects files of a scenario's `folder`, none from outside of the `project`; both are resolved."""

    folder: Path
    project: Path
    where: Location
    found: dict[str, CodeFile] = field(default_factory=dict)
    bytes: int = 0

    def whole(self) -> tuple[CodeFile, ...]:
        """The whole folder without generated files; raises InputError."""
        for name in self._entries(self.folder, "."):
            if name not in LEFT_OUT_ON_TOP:
                self._add(self.folder / name, name, within=(self.folder,), whole=True)
        return tuple(self.found.values())

    def named(self, names: tuple[str, ...], places: tuple[Location, ...]) -> tuple[CodeFile, ...]:
        """The named files, and everything in the named folders; raises InputError."""
        for name, self.where in zip(names, places, strict=True):
            inside = os.path.normpath(name)
            if inside == ".":
                self.whole()
            else:
                self._add(self.folder / inside, inside, within=(), whole=False)
        return tuple(self.found.values())

    def _add(self, path: Path, name: str, *, within: tuple[Path, ...], whole: bool) -> None:
        """Add a file, or all files of a folder; a link stands for what it leads to."""
        _check_name(name, self.where)
        try:
            found = resolve_inside(path, self.project, self.where)
        except InputError as error:
            if not whole:
                raise
            self._refuse(error.what, "remove it, or name the files that are needed by `files:`")
        mode = found.stat().st_mode
        if stat.S_ISDIR(mode):
            if found in within:
                self._refuse(f"{name!r} is a link to a folder that it lies in", "remove it")
            if not (whole and _is_left_out(found, path.name)):
                for entry in self._entries(found, name):
                    self._add(found / entry, f"{name}/{entry}", within=(*within, found), whole=whole)
        elif not stat.S_ISREG(mode):
            self._refuse(f"{name!r} is not a file", "name the files that are needed by `files:`")
        elif not (whole and (path.suffix == ".pyc" or _is_own_output(found))):
            self._keep(found, name)

    def _keep(self, path: Path, name: str) -> None:
        if name in self.found:
            return
        self.found[name] = CodeFile(path=str(path), name=name)
        self.bytes += path.stat().st_size
        if len(self.found) > MAX_FILES or self.bytes > MAX_BYTES:
            self._refuse(
                f"the scenario has more than {MAX_FILES:,} files or {MAX_BYTES >> 20} MB",
                "name those that are needed by `files:`",
            )

    def _entries(self, folder: Path, name: str) -> Iterator[str]:
        try:
            yield from sorted(entry.name for entry in folder.iterdir())
        except OSError as error:
            self._refuse(f"{name!r} cannot be read: {error.strerror}", "make it readable")

    def _refuse(self, what: str, hint: str) -> NoReturn:
        raise InputError(what, where=self.where, hint=hint)


def _is_left_out(folder: Path, name: str) -> bool:
    marks = (folder / VENV, folder / CACHE_TAG)
    return name in LEFT_OUT or fnmatch(name, "*.egg-info") or any(mark.is_file() for mark in marks)


def _is_own_output(path: Path) -> bool:
    """Whether this program writes its own output to the file (`crashmatrix run > run.log`), which changes."""
    for stream in (sys.stdout, sys.stderr):
        # A stream that is closed, or that a test replaces, has no descriptor.
        with suppress(OSError, ValueError, AttributeError):
            if os.path.samestat(os.fstat(stream.fileno()), path.stat()):
                return True
    return False


def _check_name(name: str, where: Location) -> None:
    """Refuse names that no image, plan or report could hold as they are."""
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{name!r} is not a UTF-8 name", where=where, hint="rename the file") from error
    if _CONTROL.search(name):
        raise InputError(
            f"the name {name!r} has a control character or a backslash", where=where, hint="rename the file"
        )
