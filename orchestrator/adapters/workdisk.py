"""Disks of a fixed size for the folders that containers write to: a container cannot fill its host.

A disk is an ext4 filesystem in a file, on a loop device that the engine mounts as a volume. A program that
fills it gets ENOSPC, whatever way it writes (files without names and mappings included), and nobody else has
less room. The file is sparse: as many disks as there are --jobs need not fit at once. Whether the host itself
has room is checked before and after, so that no program is judged by a disk that failed under it.
"""

import os
import shutil
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from functools import cache
from pathlib import Path
from typing import IO, Final, Self

from orchestrator.adapters import process
from orchestrator.adapters.cache import cache_folder
from orchestrator.errors import HostError, Location, ToolError
from orchestrator.scratch import remove_dead, scratch_folder

SCRATCH: Final = "scratch"
KIND: Final = "work"
FILE: Final = "disk"
TYPE: Final = "ext4"
MOUNT: Final = "nosuid,nodev,noatime"
"""Options with which the engine mounts a disk. Not noexec: programs load libraries that they put there."""
RESERVED: Final = 4 << 20
"""Bytes that only user 0 can use (mke2fs(8), -m), for what must be written when the disk is full."""
BLOCK: Final = 4096
MKE2FS: Final = (
    *("-q", "-F", "-t", TYPE, "-b", str(BLOCK)),
    # Durability is not needed: nobody reads the disk after a crash of the host.
    *("-O", "^has_journal,^resize_inode"),
    *("-E", "lazy_itable_init=1,root_owner=1000:1000"),
)
ROOT_FOLDER: Final = "rmdir lost+found\nset_inode_field / mode 041777\n"
"""What debugfs makes of a new filesystem: an empty folder, since an engine copies an image's owner and mode
to no other; and one that anybody may write to, for an engine that copies none."""
HINT: Final = "install e2fsprogs and mount, and load the module `loop`"
LOOPS: Final = Path("/sys/block")
SUPERBLOCK: Final = 1024
VALID: Final = 1
"""EXT4_VALID_FS: the filesystem was unmounted, so the counts in its superblock are right."""
SPARE: Final = 4096 + 256
"""Free blocks of a full disk beside the reserved ones: what ext4 keeps for itself (fs/ext4/super.c,
ext4_calculate_resv_clusters), and a megabyte, since a program may write in large pieces."""
UNMOUNT: Final = 2.0
"""Seconds within which an engine has unmounted the volumes of a container that it says has ended."""


class WorkDisk:
    """A disk on a loop device. Must be closed; the next command does it after kill -9."""

    def __init__(self, size: int) -> None:
        """Make a disk of `size` bytes. Raises HostError where there is no room for it, and ToolError."""
        with ExitStack() as stack:
            place = cache_folder(SCRATCH)
            self.place: Final = stack.enter_context(scratch_folder(KIND, place))
            self._path = self.place / FILE
            self._file = stack.enter_context(self._path.open("xb+"))
            self._check_room(size, f"no room for a container's /work ({size >> 20} MiB)")
            self._file.truncate(size)
            with _FORMATTING:  # several disks are wanted at once
                formatted = _formatted(size)
            for at, data in formatted:
                os.pwrite(self._file.fileno(), data, at)
            self.device = _losetup("--find", "--show", str(self._path))
            stack.callback(_losetup, "--detach", self.device)
            self._stack = stack.pop_all()

    def _check_room(self, least: int, what: str) -> None:
        """Raise HostError where the host's own disk has less free room than `least` bytes."""
        if shutil.disk_usage(self.place).free < least:
            raise HostError(
                what,
                where=Location(file=str(self.place.parent)),
                hint="make room there, use fewer --jobs, or set CRASHMATRIX_CACHE",
            )

    @property
    def full(self) -> bool:
        """Whether it had no room or no inodes left when it was unmounted; waits for that.

        Raises HostError where the host had none: then it may have failed before it was full. Read from its
        superblock (the kernel's Documentation/filesystems/ext4/super.rst).
        """
        self._check_room(1, "this host's disk was full while a container ran")
        end = time.monotonic() + UNMOUNT
        while True:
            block = os.pread(self._file.fileno(), 1024, SUPERBLOCK)
            reserved, free, inodes = struct.unpack_from("<III", block, 0x8)
            (state,) = struct.unpack_from("<H", block, 0x3A)
            if state & VALID or time.monotonic() > end:
                return bool(inodes == 0 or free <= reserved + SPARE)
            time.sleep(0.01)

    @property
    def volume(self) -> dict[str, str]:
        """The options of an engine's volume on it (driver `local`)."""
        return {"type": TYPE, "device": self.device, "o": MOUNT}

    def close(self) -> None:
        """Release the device and the space. Raises ToolError."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_FORMATTING: Final = threading.Lock()


@cache
def _formatted(size: int) -> tuple[tuple[int, bytes], ...]:
    """What a new filesystem holds and where, some 100 kB: making it once saves two programs for each disk."""
    with scratch_folder(KIND, cache_folder(SCRATCH)) as folder, (folder / FILE).open("xb+") as file:
        file.truncate(size)
        path, percent = str(folder / FILE), f"{100 * RESERVED / size:.4f}"
        process.run([_program("mke2fs"), *MKE2FS, "-m", percent, path], hint=HINT)
        process.run([_program("debugfs"), "-w", "-f", "-", path], stdin=ROOT_FOLDER.encode(), hint=HINT)
        return tuple(_extents(file))


def _extents(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """The parts of a sparse file that are no holes (lseek(2))."""
    number, end = file.fileno(), 0
    with suppress(OSError):  # ENXIO: nothing but a hole follows
        while True:
            start = os.lseek(number, end, os.SEEK_DATA)
            end = os.lseek(number, start, os.SEEK_HOLE)
            yield start, os.pread(number, end - start, start)


def shortcoming() -> str | None:
    """Why this host cannot make disks; None where it can, as far as can be told without making one."""
    lacking = [name for name in ("losetup", "mke2fs", "debugfs") if process.find(name) is None]
    if lacking:
        return f"not installed: {', '.join(lacking)}"
    return None if Path("/dev/loop-control").exists() else "this kernel has no loop devices"


def close_dead() -> int:
    """Detach the disks of dead processes and release their space; returns how many there were.

    A container of theirs must have been removed before.
    """
    place = cache_folder(SCRATCH)
    remove_dead(place)
    dead = [loop for loop in LOOPS.glob("loop*") if _is_dead(loop, place)]
    for loop in dead:
        with suppress(ToolError):  # another command does the same
            _losetup("--detach", f"/dev/{loop.name}")
    return len(dead)


def _is_dead(loop: Path, place: Path) -> bool:
    """Whether a loop device is one of ours whose file has been removed."""
    try:
        backing = Path((loop / "loop/backing_file").read_text().strip().removesuffix(" (deleted)"))
    except OSError:
        return False
    of_ours = backing.parent.parent == place.resolve() and backing.name == FILE
    return of_ours and not backing.parent.exists()


def _losetup(*arguments: str) -> str:
    return process.run([_program("losetup"), *arguments], root=True, hint=HINT).text.strip()


def _program(name: str) -> str:
    return process.find(name) or name
