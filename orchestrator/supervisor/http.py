"""One HTTP request to a server that is the tested process. It notices at once when the server dies."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from orchestrator.supervisor.tested import POLL

if TYPE_CHECKING:
    from orchestrator.supervisor.tested import TestedProcess

LONGEST = 200
"""Bytes of an answer that are kept: a note in the report, which quotes them, has a limit."""


def free_port() -> int:
    """A TCP port of the loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def connect(tested: TestedProcess, port: int, deadline: float) -> socket.socket | None:
    """Connect to the server as soon as it listens; None if it ended before."""
    while tested.alive:
        connection = connect_once(port)
        if connection:
            return connection
        tested.pause(deadline, longest=POLL)
    return None


def connect_once(port: int) -> socket.socket | None:
    """Connect to the server; None if it does not listen."""
    connection = socket.socket()
    if connection.connect_ex(("127.0.0.1", port)) == 0:
        return connection
    connection.close()
    return None


def request(tested: TestedProcess, port: int, deadline: float) -> str:
    """Make one request; returns the first line of the answer, truncated, empty if none came."""
    connection = connect(tested, port, deadline)
    if connection is None:
        return ""
    answer = b""
    with connection:
        try:
            connection.sendall(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
            while True:
                if connection not in tested.pause(deadline, connection):
                    continue
                piece = connection.recv(65536)
                if not piece:
                    break
                answer += piece[: LONGEST - len(answer)]
        except ConnectionError:  # the server died: its exit says how
            pass
    return answer.partition(b"\r\n")[0].decode("latin-1")


def notes_on(line: str) -> list[str]:
    """The note on an answer other than 200."""
    return [] if " 200 " in f"{line} " else [f"the server's answer was {line!r}, not 200"]
