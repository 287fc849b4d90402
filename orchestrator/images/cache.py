"""Files that are fetched once: `~/.cache/crashmatrix`, content-addressed, safe to delete at any time."""

import hashlib
import shutil
import threading
from pathlib import Path
from typing import Final

from orchestrator.adapters.cache import cache_folder
from orchestrator.errors import HostError
from orchestrator.images.download import obtain
from orchestrator.images.locks import file_lock
from orchestrator.model import Download

DOWNLOADS: Final = "downloads"
PART: Final = ".part"


def fetch(item: Download, stop: threading.Event) -> Path:
    """The pinned file, from the cache or from its source.

    A partial download is kept and resumed. Raises HostError if the file cannot be fetched, or if its digest
    is not the pinned one, naming both.
    """
    place = cache_folder(DOWNLOADS) / item.sha256
    path, part = place / item.filename, place / PART
    place.mkdir(parents=True, exist_ok=True)
    with file_lock(item.sha256, stop) as held:
        if not held:
            raise HostError("stopped while another fetches the same file", hint="start again")
        if path.is_file() and digest(path) == item.sha256:
            return path
        resumed = part.exists()
        fetched = obtain(item.wanted, item.pin, part, stop)
        if resumed and digest(fetched) != item.sha256:
            # The partial download of an earlier attempt may have other bytes: start again.
            shutil.rmtree(part)
            fetched = obtain(item.wanted, item.pin, part, stop)
        try:
            check_digest(fetched, item)
            fetched.replace(path)
        finally:
            shutil.rmtree(part)
    return path


def keep(path: Path) -> str:
    """Move a file into the cache, where `fetch` finds it; returns its sha256."""
    found = digest(path)
    place = cache_folder(DOWNLOADS) / found
    place.mkdir(parents=True, exist_ok=True)
    path.replace(place / path.name)
    return found


def check_digest(path: Path, item: Download) -> None:
    """Raise HostError if a file's sha256 is not the pinned one, naming both."""
    found = digest(path)
    if found != item.sha256:
        raise HostError(
            f"{path.name} ({item.wanted.title}) has sha256 {found}, not {item.sha256}",
            hint="the file or its pin in images/lock.yaml was changed: find out by whom first",
        )


def digest(path: Path) -> str:
    """A file's sha256, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
