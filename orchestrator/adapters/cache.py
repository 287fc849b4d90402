"""The folder for files that this program can make again."""

import os
import stat
import tempfile
from pathlib import Path
from typing import Final

from orchestrator.errors import HostError

VARIABLE: Final = "CRASHMATRIX_CACHE"
HINT: Final = f"set {VARIABLE} to a folder that you can write"


def cache_folder(name: str) -> Path:
    """A folder of the cache, made if it is not there. Raises HostError.

    CRASHMATRIX_CACHE where it is set, else `crashmatrix` in XDG_CACHE_HOME, else in ~/.cache. A
    relative XDG_CACHE_HOME is ignored, as the XDG Base Directory Specification demands. Where the home is
    unknown or not writable, as that of a service's user often is, `crashmatrix-UID` in the folder for
    temporary files.
    """
    own, xdg = os.environ.get(VARIABLE), os.environ.get("XDG_CACHE_HOME", "")
    try:
        shared = Path(xdg) if Path(xdg).is_absolute() else Path.home() / ".cache"
        return _make((Path(own).absolute() if own else shared / "crashmatrix") / name)
    except (OSError, RuntimeError) as error:
        if own:
            raise HostError(f"the cache cannot be made: {error}", hint=HINT) from error
    return _make(_temporary() / name)


def _make(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK | os.X_OK, effective_ids=True):
        raise PermissionError(f"{folder} is not writable")
    return folder


def _temporary() -> Path:
    """This user's folder below one that every user can write to; raises HostError if another user owns it."""
    folder = Path(tempfile.gettempdir()) / f"crashmatrix-{os.geteuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise HostError(f"no cache can be made: {error}", hint=HINT) from error
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise HostError(f"{folder} is not a folder of this user alone", hint=HINT)
    return folder
