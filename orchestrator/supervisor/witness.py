"""The kernel's record of how another process's children ended.

Only a parent can wait for a process, and a server's master belongs to the program under test. A holder of a
process's descriptor (pidfd_open(2)) can still ask the kernel for its wait status after the parent has reaped
it: PIDFD_GET_INFO with PIDFD_INFO_EXIT, since Linux 6.15. No process can change that status, and no core is
needed.
"""

from __future__ import annotations

import os
import struct

PIDFD_OPEN = 434
"""The system call's number, on every architecture (Python's own function came with 3.9)."""
SIZE = 64
"""Bytes of the first version of `struct pidfd_info` (linux/pidfd.h)."""
GET_INFO = 3 << 30 | SIZE << 16 | 0xFF << 8 | 11
"""_IOWR(PIDFS_IOCTL_MAGIC, 11, struct pidfd_info)."""
EXIT = 1 << 3
"""PIDFD_INFO_EXIT: the wait status is asked for, and was given."""
STATUS = 60
"""Where in the struct `exit_code` is: a wait status."""
MOST = 256
"""Processes of which descriptors are held; a container has 512 at most, and this program 1024 files."""


class Witness:
    """Descriptors of the children of a process, held since they were seen alive."""

    def __init__(self) -> None:
        self._held: dict[int, int] = {}
        self._hold(os.getpid())
        self._works = any(_info(descriptor) for descriptor in self._held.values())
        """Whether the kernel can be asked, which qemu-user never can; else nothing is ever seen."""
        self.close()

    def look(self, parent: int) -> None:
        """Hold each child of a process that is not held yet."""
        if self._works:
            for pid in _children(parent):
                if pid not in self._held and len(self._held) < MOST:
                    self._hold(pid)

    def _hold(self, pid: int) -> None:
        try:
            import ctypes
        except ImportError:
            return
        descriptor = int(ctypes.CDLL(None).syscall(PIDFD_OPEN, pid, 0))
        if descriptor >= 0:
            self._held[pid] = descriptor

    def ends(self) -> dict[int, int]:
        """The wait status of each process that was held and has been reaped, by its pid."""
        told = {pid: _wait_status(descriptor) for pid, descriptor in self._held.items()}
        return {pid: status for pid, status in told.items() if status is not None}

    def close(self) -> None:
        """Close all descriptors."""
        while self._held:
            os.close(self._held.popitem()[1])


def _children(parent: int) -> list[int]:
    """The children of a process's threads (proc_pid_task(5)): much cheaper than a look at every process."""
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{parent}/task"):
            with open(f"/proc/{parent}/task/{thread}/children", "rb") as children:
                found += map(int, children.read().split())
    except OSError:  # it has ended meanwhile
        return found
    return found


def _wait_status(descriptor: int) -> int | None:
    """How a process ended; None while its parent has not reaped it, and before Linux 6.15."""
    told, status = _info(descriptor) or (0, 0)
    return status if told & EXIT else None


def _info(descriptor: int) -> tuple[int, int] | None:
    """The kernel's answer about a process, with its wait status if it has one; None if there is no answer."""
    import fcntl

    info = bytearray(SIZE)
    struct.pack_into("=Q", info, 0, EXIT)
    try:
        fcntl.ioctl(descriptor, GET_INFO, info, True)
    except OSError:
        return None
    return struct.unpack_from("=Q", info, 0)[0], struct.unpack_from("=i", info, STATUS)[0]
