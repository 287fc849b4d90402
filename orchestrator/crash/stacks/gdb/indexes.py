"""Where gdb keeps its indexes of debug files, so that reading again takes a quarter less (measured).

gdb finds an index by the build id of its file, which whoever links a file chooses, and aborts on one that is
another file's. So each set of files, by their contents, has a folder of its own: no program can have the
cores of another read by its indexes.
"""

import hashlib
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Final

from orchestrator.adapters.cache import cache_folder
from orchestrator.adapters.files import remove_tree

INDEXES: Final = "gdb-index"
MOST_FILES: Final = 2_000
LARGEST: Final = 512 << 20
"""Bytes of all files of a sysroot; the contents of more take longer to compare than they save."""
MOST_KEPT: Final = 64
"""Folders; each has some megabytes."""


def index_folder(sysroot: Path, scratch: Path) -> Path:
    """The folder for indexes of a sysroot's files; below `scratch` where these are too many or too large."""
    try:
        key = _key(sysroot)
    except FileNotFoundError:
        key = None  # The files of another core of this image are being fetched, and a part of one had a name.
    if key is None:
        folder = scratch / INDEXES
        folder.mkdir(exist_ok=True)
        return folder
    place = cache_folder(INDEXES)
    folder = place / key
    if not folder.is_dir():
        folder.mkdir(exist_ok=True)
        _keep_newest(place)
    return folder


def _key(sysroot: Path) -> str | None:
    """A digest of the contents of all files, in the order of their names; None of too much.

    Raises FileNotFoundError where one goes meanwhile.
    """
    files = list(islice((path for path in sysroot.rglob("*") if path.is_file()), MOST_FILES + 1))
    if len(files) > MOST_FILES or sum(path.stat().st_size for path in files) > LARGEST:
        return None
    told = hashlib.sha256()
    for path in sorted(files):
        with path.open("rb") as stream:
            told.update(hashlib.file_digest(stream, "sha256").digest())
    return told.hexdigest()[:32]


def _keep_newest(place: Path) -> None:
    """Remove all folders but the newest; gdb makes do without one that goes while it reads."""
    ages: dict[Path, float] = {}
    for folder in place.iterdir():
        with suppress(FileNotFoundError):  # Another process removes the oldest too.
            ages[folder] = folder.stat().st_mtime
    for folder in sorted(ages, key=ages.__getitem__)[:-MOST_KEPT]:
        remove_tree(folder, "an index of gdb's")
