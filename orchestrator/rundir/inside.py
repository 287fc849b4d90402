"""The files of a run's folder that its documents name: a name from elsewhere must not lead out of it."""

import os
import stat
from pathlib import Path
from typing import Final

LONGEST_NAME: Final = 4096
"""PATH_MAX of Linux in bytes; no longer name leads to a file."""
DEEPEST: Final = 32
"""Folders of a name that are looked at one by one; a run has five at most."""


class InsideFiles:
    """The files inside of a folder, looked up by relative names; what was found is kept.

    A page asks for each of its files several times, and to resolve a path takes a call for each of its parts.
    """

    def __init__(self, folder: Path) -> None:
        """Look in a folder, whose path must be resolved."""
        self._folder = folder
        self._files: dict[str, str | None] = {}
        self._opened: set[str] = set()
        self._plain: dict[str, bool] = {"": True}

    def find(self, name: str) -> Path | None:
        """The file of a relative name; None where it is no regular file or lies outside of the folder.

        A link to a file inside of the folder is followed; the path that is returned has no links.
        """
        found = self._looked_up(name)
        return Path(found) if found else None

    def has(self, name: str) -> bool:
        """Whether `find` finds a file: pages ask this of a file for each link, and need no path."""
        return name in self._opened or self._looked_up(name) is not None

    def note_opened(self, name: str) -> None:
        """Remember that a regular file inside of the folder was opened by this name."""
        self._opened.add(name)

    def _looked_up(self, name: str) -> str | None:
        if name not in self._files:
            self._files[name] = self._found(name)
        return self._files[name]

    def _found(self, name: str) -> str | None:
        if "\0" in name or len(name) > LONGEST_NAME:
            return None
        try:
            if name.count("/") < DEEPEST and self._is_plain(name.rpartition("/")[0]):
                plain = f"{self._folder}/{name}"
                mode = os.lstat(plain).st_mode
                if not stat.S_ISLNK(mode):
                    return plain if stat.S_ISREG(mode) else None
            path = (self._folder / name).resolve()
            return str(path) if path.is_relative_to(self._folder) and path.is_file() else None
        except (OSError, RuntimeError):  # there is none, links in a circle, or a component of over 255 bytes
            return None

    def _is_plain(self, name: str) -> bool:
        """Whether a relative name is a folder inside, reached without a link and without `..`."""
        if name not in self._plain:
            parent, _, last = name.rpartition("/")
            self._plain[name] = (
                not name.startswith("/")
                and last not in ("", ".", "..")
                and self._is_plain(parent)
                and stat.S_ISDIR(os.lstat(f"{self._folder}/{name}").st_mode)
            )
        return self._plain[name]
