"""The launcher `uwsgi` in a container: its command lines, and the one request to a driver."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from orchestrator.supervisor import http, launch
from orchestrator.supervisor.cleanup import children
from orchestrator.supervisor.manners import Manners
from orchestrator.supervisor.targets import WSGI
from orchestrator.supervisor.tested import POLL, Worker

if TYPE_CHECKING:
    from orchestrator.supervisor.targets import Target
    from orchestrator.supervisor.tested import TestedProcess
    from orchestrator.supervisor.wakeup import Wakeup

MASTER = "--master"
CLEAN = frozenset({0, 15, 17, 30, 31})
"""Exit statuses of workers that uWSGI itself ends: cheaper, reload, end, brutal reload (uwsgi.h)."""


class Launch(launch.Launch):
    """One worker of a driver, without a master unless the options ask for it; or an application's server."""

    manners = Manners(clean=CLEAN)

    def __init__(self, home: str, target: Target, options: list[str]) -> None:
        super().__init__(home, target, options)
        self.port = http.free_port()

    def command(self) -> list[str]:
        """The command line; `--use-abort` makes uWSGI's own SIGSEGV handler leave a core."""
        program, socket = os.path.join(self.home, "bin", "uwsgi"), f"127.0.0.1:{self.port}"
        if self.target.kind == WSGI:
            # The last one of an option counts, in a file too: what this program needs comes after the user's.
            packages = ["--virtualenv", self.venv] if os.path.isdir(self.venv) else []
            return [
                program, *self.options, "--http-socket", socket, *packages,
                "--module", self.target.file, "--need-app", "--die-on-term", "--use-abort",
            ]  # fmt: skip
        return [
            program, "--http-socket", socket,
            "--wsgi-file", self.path, "--need-app", "--enable-threads", "--die-on-term", "--use-abort",
            *self.options,
        ]  # fmt: skip

    def judged(self, started: TestedProcess, wakeup: Wakeup, deadline: float) -> TestedProcess:
        """The worker of a master, whose own exit status is 0 even if its worker crashed."""
        if MASTER not in self.options:
            return started
        while started.alive:
            for pid in children(started.pid):
                return Worker(started, pid, wakeup)
            started.pause(deadline, longest=POLL)
        return started

    def drive(self, tested: TestedProcess, deadline: float) -> list[str]:
        """Have the server serve one request, then tell it to stop; returns notes on anything odd.

        uWSGI closes the connection before it marks its worker as idle, and a busy worker that is told to
        stop does not finalize Python at all. So wait until it sleeps again, which is in `epoll_wait`.
        """
        line = http.request(tested, self.port, deadline)
        while tested.alive and not tested.is_idle():
            tested.pause(deadline, longest=POLL)
        # SIGINT is what a master sends its worker.
        tested.send(signal.SIGINT if isinstance(tested, Worker) else signal.SIGTERM)
        return http.notes_on(line)
