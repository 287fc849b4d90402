"""The launcher `uwsgi` in a container: its command line, one request, and the request to stop."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from orchestrator.supervisor import http, launch
from orchestrator.supervisor.cleanup import children
from orchestrator.supervisor.subject import POLL, Worker

if TYPE_CHECKING:
    from orchestrator.supervisor.subject import Subject, Wakeup
    from orchestrator.supervisor.targets import Target

MASTER = "--master"


class Launch(launch.Launch):
    """One uWSGI worker, without a master unless the options ask for it."""

    def __init__(self, home: str, target: Target, options: list[str]) -> None:
        super().__init__(home, target, options)
        self.port = http.free_port()

    def command(self) -> list[str]:
        """The command line; `--use-abort` makes uWSGI's own SIGSEGV handler leave a core."""
        return [
            os.path.join(self.home, "bin", "uwsgi"), "--http-socket", f"127.0.0.1:{self.port}",
            "--wsgi-file", self.path, "--need-app", "--enable-threads", "--die-on-term", "--use-abort",
            *self.options,
        ]  # fmt: skip

    def judged(self, started: Subject, wakeup: Wakeup, deadline: float) -> Subject:
        """The worker of a master, whose own exit status is 0 even if its worker crashed."""
        if MASTER not in self.options:
            return started
        while started.alive:
            for pid in children(started.pid):
                return Worker(started, pid, wakeup)
            started.pause(deadline, longest=POLL)
        return started

    def drive(self, subject: Subject, deadline: float) -> list[str]:
        """Have the server serve one request, then tell it to stop; returns notes on anything odd.

        uWSGI closes the connection before it marks its worker as idle, and a busy worker that is told to
        stop does not finalize Python at all. So wait until it sleeps again, which is in `epoll_wait`.
        """
        line = http.request(subject, self.port, deadline)
        while subject.alive and not subject.is_idle():
            subject.pause(deadline, longest=POLL)
        # SIGINT is what a master sends its worker.
        subject.send(signal.SIGINT if isinstance(subject, Worker) else signal.SIGTERM)
        return http.notes_on(line)
