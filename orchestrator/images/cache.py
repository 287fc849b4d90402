"""Files that are fetched once: `~/.cache/crashmatrix`, content-addressed, safe to delete at any time."""

import fcntl
import hashlib
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from orchestrator.errors import HostError
from orchestrator.images.network import persistently
from orchestrator.model import Download
from orchestrator.tools import process
from orchestrator.tools.cache import cache_folder

DOWNLOADS: Final = "downloads"
LOCKS: Final = "locks"
POLL: Final = 0.2
TIMEOUT: Final = 900
"""Seconds for one file of 100 MB on a slow line."""
MEND: Final = "check the network and pip's configuration (index, proxy, certificates), then try again"


def fetch(item: Download, stop: threading.Event) -> Path:
    """The pinned file, from the cache or by pip; raises HostError where its digest is another one."""
    path = cache_folder(DOWNLOADS) / item.sha256 / item.filename
    if path.is_file() and digest(path) == item.sha256:
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".pip-") as folder:
        files = Path(folder) / "files"
        persistently(_download, stop)(item, Path(folder) / "pin.txt", files)
        fetched = files / item.filename
        if not fetched.is_file():
            got = ", ".join(sorted(entry.name for entry in files.iterdir())) or "nothing"
            raise HostError(f"pip fetched {got}, not {item.filename}", mend="correct images/catalogue.yaml")
        check_digest(fetched, item.sha256)
        fetched.replace(path)
    return path


def check_digest(path: Path, wanted: str) -> None:
    """Raise HostError where a file's sha256 is not the wanted one, naming both."""
    found = digest(path)
    if found != wanted:
        raise HostError(
            f"{path.name} has sha256 {found}, not {wanted}",
            mend="the file or its pin in images/catalogue.yaml was changed: find out by whom first",
        )


def digest(path: Path) -> str:
    """A file's sha256, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def build_lock(stop: threading.Event, waiting: Callable[[], None]) -> Generator[bool]:
    """Held while images are built, so that two runs on one host do not build the same ones twice.

    Calls `waiting` once where another run holds it. Yields False where `stop` came first.
    """
    with (cache_folder(LOCKS) / "build").open("a") as lock:
        told = False
        while not (held := _try_lock(lock)) and not stop.is_set():
            if not told:
                waiting()
                told = True
            time.sleep(POLL)
        yield held


def _try_lock(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _download(item: Download, pin: Path, files: Path) -> None:
    pin.write_text(f"{item.project}=={item.version} --hash=sha256:{item.sha256}\n", encoding="utf-8")
    process.run(
        [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes", "--quiet",
         "--disable-pip-version-check", "--dest", str(files), "--requirement", str(pin)],
        timeout=TIMEOUT, mend=MEND,
    )  # fmt: skip
