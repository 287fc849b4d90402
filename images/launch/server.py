"""uWSGI as the subject: its command line, one request, and the request to stop."""

from __future__ import annotations

import os
import signal
import socket
from typing import TYPE_CHECKING

from cleanup import children
from subject import POLL, Worker

if TYPE_CHECKING:
    from subject import Subject, Wakeup

LONGEST = 200
"""Bytes of an answer that are kept: a note of the report, which quotes them, has a limit."""
HOME = os.path.dirname(os.path.abspath(__file__))


def free_port() -> int:
    """A TCP port of the loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def uwsgi_command(driver: str, port: int, options: list[str]) -> list[str]:
    """One uWSGI worker, without a master unless the options say so.

    uWSGI's own SIGSEGV handler ends the process without a core; `--use-abort` makes it leave one.
    """
    return [
        os.path.join(HOME, "bin", "uwsgi"), "--http-socket", f"127.0.0.1:{port}", "--wsgi-file", driver,
        "--need-app", "--enable-threads", "--die-on-term", "--use-abort", *options,
    ]  # fmt: skip


def connect(subject: Subject, port: int, deadline: float) -> socket.socket | None:
    """A connection to the server, as soon as it listens; None where it ended before."""
    while subject.alive:
        connection = socket.socket()
        if connection.connect_ex(("127.0.0.1", port)) == 0:
            return connection
        connection.close()
        subject.pause(deadline, longest=POLL)
    return None


def request(subject: Subject, port: int, deadline: float) -> str:
    """Make one HTTP request; returns the first line of the answer, cut, empty where none came."""
    connection = connect(subject, port, deadline)
    if connection is None:
        return ""
    answer = b""
    with connection:
        try:
            connection.sendall(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
            while True:
                if connection not in subject.pause(deadline, connection):
                    continue
                piece = connection.recv(65536)
                if not piece:
                    break
                answer += piece[: LONGEST - len(answer)]
        except ConnectionError:  # the server died: its exit says how
            pass
    return answer.partition(b"\r\n")[0].decode("latin-1")


def worker_of(master: Subject, wakeup: Wakeup, deadline: float) -> Subject:
    """The worker of a master, whose exit status is 0 even when its worker crashed; else the master."""
    while master.alive:
        for pid in children(master.pid):
            return Worker(master, pid, wakeup)
        master.pause(deadline, longest=POLL)
    return master


def visit(subject: Subject, port: int, deadline: float) -> list[str]:
    """Have the server serve one request, then tell it to stop; returns notes on what was odd.

    uWSGI closes the connection before it marks its worker as idle, and a busy worker that is told to
    stop does not finalize Python at all. So wait until it sleeps again, which is in `epoll_wait`.
    """
    line = request(subject, port, deadline)
    while subject.alive and not subject.is_idle():
        subject.pause(deadline, longest=POLL)
    subject.send(signal.SIGINT if isinstance(subject, Worker) else signal.SIGTERM)  # as a master does
    return [] if " 200 " in f"{line} " else [f"the server's answer was {line!r}, not 200"]
