"""systemd-coredump as a process of this host: whether one is at work, and how long that may take."""

from pathlib import Path
from typing import Final

STORING: Final = 600.0
"""Seconds to wait while a systemd-coredump is at work; one may be slow to store what the kernel hands it."""
NAME: Final = "systemd-coredum"
"""The command name of one, as the kernel cuts it."""


def is_collecting() -> bool:
    """Whether a systemd-coredump is at work on this host.

    Which crash it collects cannot be told from outside.
    """
    return any(map(_is_collector, Path("/proc").glob("[0-9]*/comm")))


def _is_collector(comm: Path) -> bool:
    try:
        return comm.read_text(errors="replace").strip() == NAME
    except OSError:  # it has ended meanwhile
        return False
