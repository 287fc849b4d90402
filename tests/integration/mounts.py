"""Small filesystems that a test can fill."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.adapters import process
from orchestrator.adapters.process import ROOT_HINT


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A filesystem in memory at a new folder, writable for this user."""
    folder.mkdir(parents=True)
    options = f"size={megabytes}m,mode=0700,uid={os.getuid()},gid={os.getgid()}"
    process.run(["mount", "-t", "tmpfs", "-o", options, "small", str(folder)], root=True, hint=ROOT_HINT)
    try:
        yield folder
    finally:
        process.run(["umount", "--lazy", str(folder)], root=True, hint=ROOT_HINT)
