"""The launcher `pool` in a container: one request to its worker, whose exit is judged."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from orchestrator.supervisor import http, launch
from orchestrator.supervisor.cleanup import children
from orchestrator.supervisor.subject import POLL, Worker

if TYPE_CHECKING:
    from orchestrator.supervisor.subject import Subject
    from orchestrator.supervisor.targets import Target
    from orchestrator.supervisor.wakeup import Wakeup


class Launch(launch.Launch):
    """A master and its worker."""

    def __init__(self, home: str, target: Target, options: list[str]) -> None:
        super().__init__(home, target, options)
        self.port = http.free_port()

    def command(self) -> list[str]:
        """The command line."""
        return ["python3", f"{self.home}/bin/pool.py", self.path, str(self.port), *self.options]

    def judged(self, started: Subject, wakeup: Wakeup, deadline: float) -> Subject:
        """The worker."""
        while started.alive:
            for pid in children(started.pid):
                return Worker(started, pid, wakeup)
            started.pause(deadline, longest=POLL)
        return started

    def drive(self, subject: Subject, deadline: float) -> list[str]:
        """Make one request, then ask the worker to stop."""
        line = http.request(subject, self.port, deadline)
        subject.send(signal.SIGTERM)
        return http.notes_on(line)
