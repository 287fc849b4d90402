"""Files that are fetched once: `~/.cache/crashmatrix`, content-addressed, safe to delete at any time."""

import hashlib
import sys
import tempfile
import threading
from pathlib import Path
from typing import Final

from orchestrator.errors import HostError
from orchestrator.images.network import persistently
from orchestrator.model import Download
from orchestrator.tools import process
from orchestrator.tools.cache import cache_folder

DOWNLOADS: Final = "downloads"
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


def _download(item: Download, pin: Path, files: Path) -> None:
    pin.write_text(f"{item.project}=={item.version} --hash=sha256:{item.sha256}\n", encoding="utf-8")
    process.run(
        [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes", "--quiet",
         "--disable-pip-version-check", "--dest", str(files), "--requirement", str(pin)],
        timeout=TIMEOUT, mend=MEND,
    )  # fmt: skip
