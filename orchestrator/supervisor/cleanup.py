"""Removes what a trial leaves behind, processes and files, before the next one starts."""

from __future__ import annotations

import os
import shutil
import signal
import time

from orchestrator.supervisor.clock import CLOCK


def adopt_orphans() -> bool:
    """Become the parent of every process that a tested process leaves behind (PR_SET_CHILD_SUBREAPER)."""
    try:
        import ctypes
    except ImportError:
        return False
    return bool(ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0)


def children(pid: int) -> list[int]:
    """The processes whose parent is `pid`."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", "rb") as stat:
                parent = int(stat.read().rpartition(b")")[2].split()[1])
        except (OSError, ValueError):  # it has ended meanwhile
            continue
        if parent == pid:
            found.append(int(name))
    return found


def end_stragglers() -> int:
    """Kill every process that a tested one left running, and its children; returns how many there were."""
    ended = 0
    while True:
        left = children(os.getpid())
        if not left:
            return ended
        for pid in left:
            os.kill(pid, signal.SIGKILL)  # an own child: its pid is taken until it is waited for
        for pid in left:
            os.waitpid(pid, 0)
            ended += 1


def await_stragglers(seconds: float) -> None:
    """Wait at most `seconds` for all that a tested process left running to end by itself."""
    deadline = CLOCK.now() + seconds
    while CLOCK.left(deadline) > 0 and children(os.getpid()):
        if os.waitpid(-1, os.WNOHANG)[0] == 0:
            time.sleep(0.01)


def empty(folder: str, keep: str) -> list[str]:
    """Remove the contents of a folder except the entry named `keep`; returns the paths that remain."""
    left: list[str] = []

    def leave(_function: object, path: str, info: tuple[object, object, object]) -> None:
        if not isinstance(info[1], FileNotFoundError):  # else it is gone
            left.append(path)

    for entry in os.scandir(folder):
        if entry.name == keep:
            continue
        if entry.is_dir(follow_symlinks=False):
            try:
                shutil.rmtree(entry.path, onerror=leave)
            except RecursionError:  # deeper than Python calls, before Python 3.13
                left.append(entry.path)
        else:
            try:
                os.unlink(entry.path)
            except FileNotFoundError:
                continue
            except OSError:
                left.append(entry.path)
    return left
