"""Removes what a trial leaves behind, processes and files, before the next one starts."""

from __future__ import annotations

import os
import shutil
import signal
import time

DUMP_LIMIT = 600.0
"""Seconds that the kernel gets, over all trials of a container, to write cores, which the container's end
would cut. A process that dumps has crashed, so no time limit of its trial counts meanwhile. 480 threads took
49 s on two busy processors, 12 GiB that were hardly touched 67 s."""


class DumpTime:
    """The time left for cores: `with` gives the deadline (time.monotonic), and takes what was used."""

    def __init__(self, seconds: float) -> None:
        self.left = seconds
        self._began = 0.0

    def __enter__(self) -> float:
        self._began = time.monotonic()
        return self._began + self.left

    def __exit__(self, *_: object) -> None:
        self.left = max(0.0, self.left - (time.monotonic() - self._began))


DUMP_TIME = DumpTime(DUMP_LIMIT)


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


def await_dumps() -> list[str]:
    """Wait while the kernel writes the core of any process that is left; returns a note if one is cut."""
    with DUMP_TIME as deadline:
        while any(dumps(pid) for pid in _own_processes()):
            if time.monotonic() > deadline:
                return [f"another process was still writing its core after {DUMP_LIMIT:g} s"]
            time.sleep(0.01)
    return []


def _own_processes() -> list[int]:
    """The processes of this program's effective user: of the subjects, where it runs in a container."""
    with os.scandir("/proc") as entries:
        return [int(entry.name) for entry in entries if entry.name.isdigit() and _is_own(entry)]


def _is_own(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.stat().st_uid == os.geteuid()
    except OSError:  # it has ended meanwhile
        return False


def dumps(pid: int) -> bool:
    """Whether the kernel is writing the core of a process, if there is one of that pid."""
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
