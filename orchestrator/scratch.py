"""Temporary folders, also those that a killed process left: cores lie in them, which hold its memory."""

import fcntl
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Final

PREFIX: Final = "crashmatrix-"
LOCK: Final = ".lock"
"""Held by the process that uses the folder; the kernel gives it back however that ends."""
NEW: Final = f"{LOCK}-new"
"""The same before it is held."""
NAME: Final = re.compile(rf"{PREFIX}[a-z]+-[a-z0-9_]{{8}}")
"""The names that mkdtemp gives."""
PRIVATE: Final = 0o700
"""The mode that mkdtemp gives."""


@contextmanager
def scratch_folder(kind: str, place: Path | None = None) -> Generator[Path]:
    """A folder for temporary files, removed afterwards; in `place`, or else where such files usually are.

    The first one of a process there removes those that dead processes of the same user left. Whenever this
    process is killed, the folder is empty or has a lock that nobody holds.
    """
    place = place or Path(tempfile.gettempdir())
    _remove_dead_once(place)
    with ExitStack() as stack:
        folder = _locked(kind, place, stack)
        stack.callback(_clear, folder)
        yield folder


def _locked(kind: str, place: Path, stack: ExitStack) -> Path:
    """A new folder with a lock that is held, until the stack ends; then it is removed."""
    while True:
        with ExitStack() as making:
            name = making.enter_context(tempfile.TemporaryDirectory(prefix=f"{PREFIX}{kind}-", dir=place))
            folder = Path(name)
            with suppress(FileNotFoundError):  # another process took it for a dead one's
                lock = making.enter_context((folder / NEW).open("x"))
                fcntl.flock(lock, fcntl.LOCK_EX)
                Path(lock.name).rename(folder / LOCK)
                stack.push(making.pop_all())
                return folder


def _clear(folder: Path) -> None:
    """Remove what is in a folder but its lock, which goes last, so that what a kill -9 leaves has one."""
    for path in folder.iterdir():
        if path.name in (LOCK, NEW):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


@cache
def _remove_dead_once(place: Path) -> None:
    remove_dead(place)


def remove_dead(place: Path) -> list[Path]:
    """Remove this user's scratch folders below `place` whose process is dead; returns them."""
    return [folder for folder in place.glob(f"{PREFIX}*-*") if _is_own(folder) and _is_removed(folder)]


def _is_own(folder: Path) -> bool:
    try:
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()


def _is_removed(folder: Path) -> bool:
    """Remove a folder that nobody uses; returns whether it did. One without a lock may be of others."""
    lock = _opened_lock(folder)
    if lock is None:
        return _is_new(folder) and _is_gone(folder)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _clear(folder)
        shutil.rmtree(folder, ignore_errors=True)
    except OSError:
        return False
    finally:
        os.close(lock)
    return True


def _opened_lock(folder: Path) -> int | None:
    for name in (LOCK, NEW):
        with suppress(OSError):
            return os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    return None


def _is_new(folder: Path) -> bool:
    """Whether a folder has the name and the mode of one that was made for temporary files."""
    return NAME.fullmatch(folder.name) is not None and stat.S_IMODE(folder.lstat().st_mode) == PRIVATE


def _is_gone(folder: Path) -> bool:
    """Remove a folder that is empty; returns whether it was."""
    try:
        folder.rmdir()
    except OSError:
        return False
    return True
