"""The signals that the supervisor waits for, and the errors that end its wait."""

from __future__ import annotations

import signal
import socket


class TimedOutError(Exception):
    """The deadline passed while the tested process was still running."""


class InterruptedRunError(Exception):
    """This program was told to stop."""


class Wakeup:
    """The signals that this program waits for, readable as bytes of a socket."""

    def __init__(self) -> None:
        """Install the handlers, once, so that no signal is lost between two trials."""
        self.socket, self._writer = socket.socketpair()
        self._writer.setblocking(False)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(self._writer.fileno())

    def check(self) -> None:
        """Read pending signals; raises InterruptedRunError if this program was told to stop."""
        if set(self.socket.recv(64)) & {signal.SIGTERM, signal.SIGINT}:
            raise InterruptedRunError
