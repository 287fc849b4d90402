"""A container with a terminal, joined to the terminal of this process."""

from __future__ import annotations

__lazy_modules__ = ("docker",)

import io
import os
import select
import shutil
import signal
import tarfile
import termios
import tty
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, Final

import docker

from orchestrator.adapters.engine.calls import engine_errors, retried
from orchestrator.adapters.engine.connection import Connection

CHUNK: Final = 1 << 16
FILE_MODE: Final = 0o644


class Interactive(Connection):
    """Containers with a terminal. One is named by its id or by its name."""

    def put(self, container: str, folder: str, path: Path, name: str) -> None:
        """Copy a file of this host into a folder of a container, readable for everyone."""
        with engine_errors(f"copying {name} into a container"), io.BytesIO() as head:
            info = tarfile.TarInfo(name)
            info.size, info.mode = path.stat().st_size, FILE_MODE
            head.write(info.tobuf())
            retried(self._api.put_archive)(container, folder, _tar(head.getvalue(), path, info.size))

    def interact(self, container: str, terminal: int) -> int:
        """Start a container and join its terminal to a terminal of this host; returns its exit status.

        `terminal` is the descriptor of one, which is raw until the container ends and then as before.
        """
        with engine_errors("running a shell"):
            wanted = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
            output = self._api.attach_socket(container, params=wanted)
            try:
                self._api.start(container)
                with _raw(terminal), self._sized(container):
                    _join(getattr(output, "_sock", output), terminal)
                return int(self._api.wait(container)["StatusCode"])
            finally:
                output.close()

    @contextmanager
    def _sized(self, container: str) -> Generator[None]:
        """Keep the container's terminal as large as this one."""

        def resize(_number: int = 0, _frame: FrameType | None = None) -> None:
            size = shutil.get_terminal_size()
            with suppress(docker.errors.APIError):  # it may have ended
                self._api.resize(container, height=size.lines, width=size.columns)

        usual = signal.signal(signal.SIGWINCH, resize)
        resize()
        try:
            yield
        finally:
            signal.signal(signal.SIGWINCH, usual)


def _tar(head: bytes, path: Path, size: int) -> Generator[bytes]:
    """A tar of one file, piece by piece: a core may be larger than memory should hold."""
    yield head
    with path.open("rb") as stream:
        while piece := stream.read(CHUNK):
            yield piece
    yield b"\0" * (-size % tarfile.BLOCKSIZE + 2 * tarfile.BLOCKSIZE)


@contextmanager
def _raw(terminal: int) -> Generator[None]:
    before = termios.tcgetattr(terminal)
    tty.setraw(terminal)
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def _join(stream: Any, terminal: int) -> None:  # noqa: ANN401 - the SDK gives a socket, or one of TLS
    """Pass bytes both ways until the container's side ends."""
    sides = [stream.fileno(), terminal]
    while True:
        ready, _, _ = select.select(sides, [], [])
        if stream.fileno() in ready:
            said = stream.recv(CHUNK)
            if not said:
                return
            while said:
                said = said[os.write(terminal, said) :]
        if terminal in ready:
            typed = os.read(terminal, CHUNK)
            if not typed:
                sides.remove(terminal)
            else:
                stream.sendall(typed)
