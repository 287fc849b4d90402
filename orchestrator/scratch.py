"""Temporary folders, also those that a killed process left: cores lie in them, which hold its memory."""

import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final

PREFIX: Final = "crashmatrix-"
LOCK: Final = ".lock"
"""Held by the process that uses the folder; the kernel gives it back however that ends."""


@contextmanager
def scratch_folder(kind: str, place: Path | None = None) -> Generator[Path]:
    """A folder for temporary files, removed afterwards; in `place`, or else where such files usually are.

    The first one of a process there removes those that dead processes of the same user left.
    """
    place = place or Path(tempfile.gettempdir())
    _remove_dead_once(place)
    with tempfile.TemporaryDirectory(prefix=f"{PREFIX}{kind}-", dir=place) as name:
        folder = Path(name)
        with (folder / f"{LOCK}-new").open("x") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            Path(lock.name).rename(folder / LOCK)  # with its lock on it: nobody sees it without
            yield folder


@cache
def _remove_dead_once(place: Path) -> None:
    remove_dead(place)


def remove_dead(place: Path) -> list[Path]:
    """Remove this user's scratch folders below `place` whose process is dead; returns them."""
    return [folder for folder in place.glob(f"{PREFIX}*-*") if _is_dead(folder)]


def _is_dead(folder: Path) -> bool:
    """Whether nobody uses a folder of ours, which is then gone; one without a lock may be of others."""
    try:
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            return False
        lock = os.open(folder / LOCK, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(lock)
    shutil.rmtree(folder, ignore_errors=True)
    return True
