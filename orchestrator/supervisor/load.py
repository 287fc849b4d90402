"""Requests to a server, several at once, and what was odd about their answers.

Each runs the standard library's HTTP client in a thread of its own, while the starting thread watches the
server. If the server dies, each request ends at once.
"""

from __future__ import annotations

import http.client
import socket
import threading
from typing import TYPE_CHECKING

from orchestrator.supervisor.clock import CLOCK, SLOWEST
from orchestrator.supervisor.plan import LONGEST

if TYPE_CHECKING:
    from orchestrator.supervisor.plan import Request

MOST_NOTES = 10
PIECE = 1 << 16
"""Bytes of an answer's body that are held at a time; all of it is read."""
CLOSED = "the connection ended without an answer"
"""The oddity reported when a worker dies in a request."""


class Load:
    """The requests of one entry under way: their threads, and what was odd."""

    def __init__(self, request: Request, port: int, deadline: float) -> None:
        """Start the threads. `deadline` is CLOCK's."""
        self.request, self._port, self._deadline = request, port, deadline
        self._left, self._lock = request.times, threading.Lock()
        self.odd: dict[str, int] = {}
        self.stopped = False
        self._threads = [
            threading.Thread(target=self._work, daemon=True)
            for _ in range(min(request.times, request.concurrency))
        ]
        for thread in self._threads:
            thread.start()

    @property
    def done(self) -> bool:
        """Whether each request is answered or has failed."""
        return not any(thread.is_alive() for thread in self._threads)

    def notes(self) -> list[str]:
        """A sentence for each way in which answers were odd, with how many were."""
        with self._lock:
            return [
                f"{self.request}: {what}" + (f" ({times} of {self.request.times})" if times > 1 else "")
                for what, times in list(self.odd.items())[:MOST_NOTES]
            ]

    def _work(self) -> None:
        while True:
            with self._lock:
                if self._left == 0 or self.stopped:
                    return
                self._left -= 1
            what = self._ask()
            if what:
                with self._lock:
                    self.odd[what] = self.odd.get(what, 0) + 1

    def _ask(self) -> str:
        """Make one request; returns what is odd about the answer, empty if nothing is."""
        request, left = self.request, max((self._deadline - CLOCK.now()) * SLOWEST, 0.001)
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=left)
        try:
            body = request.body.encode() if request.body else None
            connection.request(request.method, request.path, body, {"Connection": "close", **request.headers})
            answer = connection.getresponse()
            while answer.read(PIECE) and not self.stopped:
                pass
        except socket.timeout:  # before Python 3.10 no TimeoutError
            return "no answer within the time limit"
        except (OSError, http.client.HTTPException) as error:
            # A server that dies closes its connections.
            kind = type(error).__name__
            closed = isinstance(
                error, (ConnectionError, http.client.IncompleteRead, http.client.BadStatusLine)
            )
            return CLOSED if closed else f"no answer that is HTTP ({kind})"
        finally:
            connection.close()
        wanted = request.expect_status
        if answer.status == wanted or (wanted is None and answer.status < 400):
            return ""
        told = f"answered {answer.status} {answer.reason}".rstrip()[:LONGEST]
        return told if wanted is None else f"{told}, not {wanted}"
