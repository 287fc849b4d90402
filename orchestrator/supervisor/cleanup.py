"""Removes what a trial leaves behind, processes and files, before the next one starts."""

from __future__ import annotations

import os
import shutil
import signal
import time


def adopt_orphans() -> bool:
    """Become the parent of every process that a subject leaves behind (PR_SET_CHILD_SUBREAPER)."""
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


def is_dumping(pid: int) -> bool:
    """Whether the kernel is writing the core of a process now (reported by Linux 4.15 and later).

    A whole line is looked for: a process may choose the same words for its name, which has no line's end.
    """
    with open(f"/proc/{pid}/status", "rb") as status:
        return b"\nCoreDumping:\t1\n" in status.read()


def await_dumps(seconds: float) -> bool:
    """Wait at most `seconds` while the kernel writes the core of any process that is left.

    Returns whether none is being written. The end of this container would truncate it.
    """
    deadline = time.monotonic() + seconds
    while any(_dumps(int(name)) for name in filter(str.isdigit, os.listdir("/proc"))):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def _dumps(pid: int) -> bool:
    try:
        return is_dumping(pid)
    except OSError:  # it has ended meanwhile
        return False


def end_stragglers() -> int:
    """Kill every process that a subject left running, and their children; returns how many there were."""
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
    """Wait at most `seconds` for all that a subject left running to end by itself."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and children(os.getpid()):
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
            shutil.rmtree(entry.path, onerror=leave)
        else:
            try:
                os.unlink(entry.path)
            except FileNotFoundError:
                continue
            except OSError:
                left.append(entry.path)
    return left
