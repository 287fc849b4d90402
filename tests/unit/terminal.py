"""A real pseudo-terminal with an emulator behind it: what a person sees of a program."""

import fcntl
import os
import pty
import struct
import subprocess
import termios
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyte

ROOT = Path(__file__).parents[2]


class Terminal:
    """The screen of a program that runs on a terminal; its history is what scrolled out at the top."""

    def __init__(self, master: int, columns: int, rows: int) -> None:
        self.screen = pyte.HistoryScreen(columns, rows, history=10_000)
        self._stream = pyte.ByteStream(self.screen)
        self._master = master

    def until(self, title: str) -> list[str]:
        """Read until the program sets the terminal's title; returns the lines of the screen."""
        while self.screen.title != title:
            assert self._read(), f"the program ended before it set the title {title!r}"
        return self.lines

    def until_end(self) -> list[str]:
        """Read until the program closes the terminal; returns the lines of the screen."""
        while self._read():
            pass
        return self.lines

    def enter(self) -> None:
        """Press Enter."""
        os.write(self._master, b"\n")

    @property
    def lines(self) -> list[str]:
        """The lines of the screen, without the empty ones at its end."""
        shown = [line.rstrip() for line in self.screen.display]
        while shown and not shown[-1]:
            shown.pop()
        return shown

    @property
    def scrolled(self) -> int:
        """How many lines scrolled out at the top."""
        return len(self.screen.history.top)

    def _read(self) -> bool:
        try:
            data = os.read(self._master, 1 << 16)
        except OSError:  # Linux: EIO once no program has the terminal open
            return False
        self._stream.feed(data)
        return bool(data)


@contextmanager
def on_terminal(
    command: Sequence[str], columns: int = 80, rows: int = 24, env: Mapping[str, str] | None = None
) -> Iterator[Terminal]:
    """Run a command on a terminal of its own."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    attributes = termios.tcgetattr(slave)
    attributes[3] &= ~termios.ECHO
    termios.tcsetattr(slave, termios.TCSANOW, attributes)
    environment = {
        key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES", "GITHUB_ACTIONS")
    }
    environment |= {"TERM": "xterm-256color", "PYTHONPATH": str(ROOT)} | dict(env or {})
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=environment)
    os.close(slave)
    try:
        yield Terminal(master, columns, rows)
        assert process.wait() in (0, 1, 3)
    finally:
        process.kill()
        process.wait()
        os.close(master)
