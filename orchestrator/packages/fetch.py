"""Source distributions of an index, each fetched once and kept by its digest."""

import hashlib
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from orchestrator.adapters import http, uv
from orchestrator.adapters.cache import cache_folder
from orchestrator.errors import HostError, TransientError
from orchestrator.model import LockedWheel
from orchestrator.packages.index import IndexFile
from orchestrator.scratch import scratch_folder

SDISTS: Final = "sdists"
ATTEMPTS: Final = 3


def kept(sdist: LockedWheel) -> Path | None:
    """The file of a locked source distribution; None if this host does not have it."""
    path = _place(sdist.sha256) / sdist.filename
    return path if path.is_file() and _digest(path) == sdist.sha256 else None


def find(sdist: LockedWheel, files: Iterable[IndexFile]) -> Path:
    """A locked source distribution among the files that an index has; raises HostError if it is not there."""
    named = [item for item in files if item.filename == sdist.filename]
    if not named:
        raise HostError(f"no index has {sdist.filename} any more", hint="start a new run")
    path, digest = fetch(named[0])
    if digest != sdist.sha256:
        raise HostError(
            f"{sdist.filename} has sha256 {digest}, and the lock says {sdist.sha256}",
            hint="its file was replaced on the index: find out by whom, or start a new run",
        )
    return path


def fetch(item: IndexFile) -> tuple[Path, str]:
    """The file of an index, and its sha256; raises HostError if it cannot be had, or is another."""
    if item.sha256:
        path = _place(item.sha256) / item.filename
        if path.is_file() and _digest(path) == item.sha256:
            return path, item.sha256
    if item.url is None:
        raise HostError(f"the index does not say where {item.filename} is", hint=uv.HINT)
    with scratch_folder(SDISTS, cache_folder(SDISTS)) as folder:
        part = folder / item.filename
        _download(item.url, part)
        digest = _digest(part)
        if item.sha256 not in (None, digest):
            raise HostError(
                f"{item.filename} has sha256 {digest}, and the index says {item.sha256}",
                hint="the index or what lies between is damaged: ask who runs it",
            )
        place = _place(digest)
        place.mkdir(exist_ok=True)
        part.replace(place / item.filename)
    return place / item.filename, digest


def _download(url: str, path: Path) -> None:
    for left in reversed(range(ATTEMPTS)):
        try:
            http.download(url, path, threading.Event())
        except TransientError:
            if not left:
                raise
        else:
            return


def _place(sha256: str) -> Path:
    return cache_folder(SDISTS) / sha256


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
