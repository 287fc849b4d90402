"""An image's files read where the engine keeps them: in the layers of overlayfs, from the top down.

The engine returns one file per call, and starts a program for each (Docker 20.10); a core needs twenty. Where
this user may read the engine's store, they are read there instead; nothing is mounted or written. The rules
are those of the kernel's Documentation/filesystems/overlayfs.rst.

A link is followed inside the image. Where only the kernel can resolve a layer (a folder that was renamed),
UnclearLayersError is raised, and the engine is asked.
"""

import errno
import os
import stat
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Final

MAX_LINKS: Final = 40
"""Links that one name may lead through, as in Linux (path_resolution(7))."""
_PREFIXES: Final = ("trusted.overlay", "user.overlay")
"""Of overlayfs's own attributes; the second where it was mounted without root (`userxattr`)."""


class UnclearLayersError(Exception):
    """The layers alone do not determine what the image has; caught inside this station."""


def find(layers: Sequence[Path], path: PurePosixPath) -> Path | None:
    """The regular file that a path of the image leads to; None where the image has none there.

    Layers from the top down. Raises UnclearLayersError, and OSError where they cannot be read.
    """
    left = [part for part in reversed(path.parts) if part != "/"]
    done: list[str] = []
    links = 0
    while left:
        part = left.pop()
        if part == "..":
            done = done[:-1]
            continue
        done.append(part)
        file = _look(layers, done)
        if file is None or not stat.S_ISLNK(file.lstat().st_mode):
            continue
        links += 1
        if links > MAX_LINKS:
            return None
        target = PurePosixPath(file.readlink())
        done = [] if target.is_absolute() else done[:-1]
        left += [item for item in reversed(target.parts) if item != "/"]
    file = _look(layers, done)
    return file if file and stat.S_ISREG(file.lstat().st_mode) else None


def _look(layers: Sequence[Path], parts: Sequence[str]) -> Path | None:
    """What is at a path without links on the way: a file or a link; None for a folder and for nothing."""
    folders = list(layers)
    for number, part in enumerate(parts):
        found = _step(folders, part)
        if isinstance(found, Path):
            return found if number == len(parts) - 1 else None
        folders = found
    return None


def _step(folders: Sequence[Path], part: str) -> Path | list[Path]:
    """Look a name up in merged folders: a file or a link, or the folders that are merged under the name."""
    merged: list[Path] = []
    for folder in folders:
        place = folder / part
        try:
            status = place.lstat()
        except FileNotFoundError:
            continue
        if _is_whiteout(place, status):
            break
        if not stat.S_ISDIR(status.st_mode):
            return merged or place
        if _attribute(place, "redirect"):
            raise UnclearLayersError(f"{place} was renamed in the image")
        merged.append(place)
        if _attribute(place, "opaque"):
            break
    return merged


def _is_whiteout(place: Path, status: os.stat_result) -> bool:
    """Whether an entry hides the name in the layers below (a whiteout)."""
    if stat.S_ISCHR(status.st_mode):
        return status.st_rdev == 0
    return stat.S_ISREG(status.st_mode) and status.st_size == 0 and bool(_attribute(place, "whiteout"))


def _attribute(place: Path, name: str) -> bytes:
    """The value of an overlayfs attribute of an entry; empty where it is not set."""
    for prefix in _PREFIXES:
        try:
            return os.getxattr(place, f"{prefix}.{name}", follow_symlinks=False)
        except OSError as error:
            if error.errno not in (errno.ENODATA, errno.ENOTSUP):
                raise
    return b""
