"""Where gdb keeps its indexes of debug files, so that reading again takes a quarter less (measured).

gdb finds an index by the build id of its file, which whoever links a file chooses, and aborts on one that is
another file's. So each set of files, by their contents, has a folder of its own: no program can have the
cores of another read by its indexes.
"""

import hashlib
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
    key = _key(sysroot)
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
    """A digest of the contents of all files, in the order of their names; None of too much."""
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
    folders = sorted(
        (path for path in place.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime
    )
    for folder in folders[:-MOST_KEPT]:
        remove_tree(folder, "an index of gdb's")
