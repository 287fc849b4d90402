"""Where this tool keeps what it can make again."""

import os
from pathlib import Path
from typing import Final

VARIABLE: Final = "CRASHMATRIX_CACHE"


def cache_folder(name: str) -> Path:
    """A folder of the cache, made if it is not there.

    CRASHMATRIX_CACHE where it is set, else `crashmatrix` in XDG_CACHE_HOME, else in ~/.cache. A
    relative XDG_CACHE_HOME is ignored, as the XDG Base Directory Specification demands.
    """
    own, xdg = os.environ.get(VARIABLE), os.environ.get("XDG_CACHE_HOME", "")
    shared = Path(xdg) if Path(xdg).is_absolute() else Path.home() / ".cache"
    folder = (Path(own).absolute() if own else shared / "crashmatrix") / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder
