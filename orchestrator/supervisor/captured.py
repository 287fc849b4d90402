"""The output that pytest had captured when its process died, so that pytest could not print it.

pytest captures a test's output in two temporary files without a name, its file descriptors 1 and 2. The
plugin sends both to this program, once a process, so that they can be read after its death.
"""

from __future__ import annotations

import array
import json
import os
import socket
import stat

LONGEST = 1 << 16
"""Bytes that are shown of the end of each file."""
MOST = 1000
"""Messages that are taken at once; the plugin sends one a process."""
STREAMS = ((1, "stdout"), (2, "stderr"))


class Captured:
    """The open files that processes of pytest sent."""

    def __init__(self) -> None:
        self.name = f"crashmatrix-tests-{os.getpid()}-{os.urandom(8).hex()}"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        # Of Linux's abstract namespace: a path may be too long for a socket.
        self._socket.bind(f"\0{self.name}")
        self._files: dict[int, list[int]] = {}

    def receive(self) -> None:
        """Receive the pending messages, with a time limit; they outlive their senders."""
        for _ in range(MOST):
            try:
                data, more, _, _ = self._socket.recvmsg(1024, socket.CMSG_SPACE(len(STREAMS) * 4))
            except BlockingIOError:
                return
            files = array.array("i")
            for level, kind, content in more:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    files.frombytes(content[: len(content) - len(content) % files.itemsize])
            pid = number_in(data)
            if len(files) == len(STREAMS) and pid is not None and pid not in self._files:
                self._files[pid] = list(files)
            else:
                close(list(files))

    def show(self, pid: int, test: str) -> bool:
        """Print the captured output of a process to the same streams; returns whether it sent its files."""
        files = self._files.pop(pid, None)
        if files is None:
            return False
        for file, (stream, name) in zip(files, STREAMS):
            text = end_of(file)
            if text:
                title = f"\n--- captured {name} of {test}, during which its process ended ---\n".encode()
                write(stream, title + text + (b"" if text.endswith(b"\n") else b"\n"))
        close(files)
        return True

    def end(self) -> None:
        """Close all."""
        for files in self._files.values():
            close(files)
        self._socket.close()


def number_in(data: bytes) -> int | None:
    """The pid in a message; None if it has none."""
    try:
        found = json.loads(data)
    except ValueError:
        return None
    return found if isinstance(found, int) else None


def end_of(file: int) -> bytes:
    """The end of a file, wherever the position is that its writer shares; nothing of a pipe or the like."""
    status = os.fstat(file)
    if not stat.S_ISREG(status.st_mode):
        return b""
    return os.pread(file, LONGEST, max(0, status.st_size - LONGEST))


def write(stream: int, text: bytes) -> None:
    """Write all of a text."""
    while text:
        text = text[os.write(stream, text) :]


def close(files: list[int]) -> None:
    """Close files."""
    for file in files:
        os.close(file)
