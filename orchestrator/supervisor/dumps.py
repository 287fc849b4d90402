"""Cores that are being written: by the kernel, or by qemu-user, which writes its guest's itself."""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress

from orchestrator.supervisor.clock import CLOCK

EMULATOR_CORE = r"qemu_.+_\d{8}-\d{6}_%d\.core"
"""How qemu-user names its guest's core, in the guest's working directory (linux-user/elfload.c)."""
DUMP_LIMIT = 600.0
"""Seconds over all trials of a container for writing cores; the container's end would truncate them. A
process that dumps has crashed, so no time limit of its trial counts meanwhile. 480 threads took 49 s on two
busy processors, 12 GiB that were hardly touched 67 s."""


class DumpTime:
    """The time left for cores: `with` gives the deadline of CLOCK, and takes what was used."""

    def __init__(self, seconds: float) -> None:
        self.left = seconds
        self._began = 0.0

    def __enter__(self) -> float:
        self._began = CLOCK.now()
        return self._began + self.left

    def __exit__(self, *_: object) -> None:
        self.left = max(0.0, self.left - (CLOCK.now() - self._began))


class Writers:
    """Who writes cores here: the kernel, and if `emulated` also qemu-user."""

    emulated = False


DUMP_TIME = DumpTime(DUMP_LIMIT)


def is_dumping(pid: int) -> bool:
    """Whether the core of a process is being written now."""
    return _kernel_dumps(pid) or (Writers.emulated and _emulator_dumps(pid))


def _kernel_dumps(pid: int) -> bool:
    """Whether the kernel is writing the core of a process now (reported by Linux 4.15 and later).

    A whole line is looked for: a process may choose the same words for its name, which has no line's end.
    """
    with open(f"/proc/{pid}/status", "rb") as status:
        return b"\nCoreDumping:\t1\n" in status.read()


def _emulator_dumps(pid: int) -> bool:
    """Whether a process holds open a core that has its own pid in the name: qemu-user writes it, then dies.

    A program that holds such a file by itself gains the time that a core has, and dies of SIGKILL then.
    """
    pattern = re.compile(EMULATOR_CORE % pid)
    return any(pattern.fullmatch(os.path.basename(path)) for path in _open_files(pid))


def _open_files(pid: int) -> list[str]:
    """The paths of the files that a process has open; none of one that may not be looked at."""
    folder, found = f"/proc/{pid}/fd", []
    with suppress(OSError):
        for name in os.listdir(folder):
            with suppress(OSError):  # it was closed meanwhile
                found.append(os.readlink(f"{folder}/{name}"))
    return found


def await_dumps() -> list[str]:
    """Wait while the core of any process that is left is written; returns a note if one is cut."""
    with DUMP_TIME as deadline:
        while any(dumps(pid) for pid in _own_processes()):
            if CLOCK.left(deadline) <= 0:
                return [f"another process was still writing its core after {DUMP_LIMIT:g} s"]
            time.sleep(0.01)
    return []


def _own_processes() -> list[int]:
    """The processes of this program's effective user; in a container those are the tested processes."""
    with os.scandir("/proc") as entries:
        return [int(entry.name) for entry in entries if entry.name.isdigit() and _is_own(entry)]


def _is_own(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.stat().st_uid == os.geteuid()
    except OSError:  # it has ended meanwhile
        return False


def dumps(pid: int) -> bool:
    """Whether the core of a process is being written, if there is one of that pid."""
    try:
        return is_dumping(pid)
    except OSError:  # it has ended meanwhile
        return False
