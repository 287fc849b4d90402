"""The source lines of a crash's frames, of the project's own files: the scenario's and the user's.

The names of the files come from debug information and from Python code objects, which the program under
question can forge. So a name leads only to a source file of the folders that the cell's image was made of,
never through a hidden folder, and no more than a few lines of it are kept.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from orchestrator.adapters.inside import read_inside
from orchestrator.errors import InputError
from orchestrator.model import Crash, Excerpt, Scenario, Thread
from orchestrator.supervisor.paths import HOME, PROJECT, SCENARIO

AROUND: Final = 1
"""Lines before and after the line of the frame."""
MOST: Final = 24
"""Excerpts of one crash."""
LONGEST: Final = 200
"""Characters of one line."""
LARGEST: Final = 4 << 20
"""Bytes of a source file."""
SUFFIXES: Final = frozenset(
    {".c", ".cc", ".cpp", ".cxx", ".h", ".hh", ".hpp", ".hxx", ".rs", ".py", ".pyx", ".pxd", ".pxi"}
)


@dataclass(frozen=True, kw_only=True)
class Sources:
    """The source files of a scenario by the names that frames have for them."""

    scenario: Scenario

    def add(self, crash: Crash) -> Crash:
        """The crash with the lines of its crashed thread, or of all threads where it hangs."""
        shown = [thread for thread in crash.threads if thread.crashed or crash.hang]
        places = dict.fromkeys(place for thread in shown for place in _places(thread))
        found = [item for file, line in places if (item := self._excerpt(file, line))]
        return crash.model_copy(update={"excerpts": tuple(found[:MOST])})

    def _excerpt(self, file: str, line: int) -> Excerpt | None:
        for path, root in self._candidates(file):
            try:
                lines = read_inside(path, root, LARGEST).decode(errors="replace").splitlines()
            except InputError:
                continue
            if 1 <= line <= len(lines):
                first = max(1, line - AROUND)
                kept = tuple(text[:LONGEST] for text in lines[first - 1 : line + AROUND])
                return Excerpt(file=file, line=line, first=first, lines=kept)
        return None

    def _candidates(self, file: str) -> Iterator[tuple[Path, Path]]:
        """The files that a name may mean, each with the folder that it must lie in."""
        name = _inside(file)
        if name is None:
            return
        folder, code = Path(self.scenario.folder), self.scenario.code
        if code is None or not code.is_copied:
            yield folder / _without(name, f"scenarios/{self.scenario.name}"), folder
        for item in code.files if code else ():
            if item.name == name:
                yield Path(item.path), Path(item.path).parent
        if code and code.source:
            source = Path(code.source)
            yield source / name, source
            # Compilers write the package's name in place of its folder (-ffile-prefix-map).
            yield source / PurePosixPath(*PurePosixPath(name).parts[1:]), source


def _places(thread: Thread) -> Iterator[tuple[str, int]]:
    yield from ((frame.file, frame.line) for frame in thread.native if frame.file and frame.line)
    yield from ((frame.file, frame.line) for frame in thread.python)


def _inside(file: str) -> str | None:
    """A file's name relative to the scenario's folder; None for a file of anything else."""
    for folder in (f"{HOME}/{SCENARIO}", PROJECT):
        file = _without(file, folder)
    path = PurePosixPath(file)
    hidden = any(part.startswith(".") for part in path.parts)
    return None if path.is_absolute() or hidden or path.suffix not in SUFFIXES else str(path)


def _without(name: str, folder: str) -> str:
    return name.removeprefix(f"{folder}/")
