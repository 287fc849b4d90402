"""The launcher `pool` in a container: one request to its worker, whose exit is judged."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from orchestrator.supervisor import http, launch
from orchestrator.supervisor.cleanup import children
from orchestrator.supervisor.tested import POLL, Worker

if TYPE_CHECKING:
    from orchestrator.supervisor.targets import Target
    from orchestrator.supervisor.tested import TestedProcess
    from orchestrator.supervisor.wakeup import Wakeup


class Launch(launch.Launch):
    """A master and its worker."""

    def __init__(self, home: str, target: Target, options: list[str]) -> None:
        super().__init__(home, target, options)
        self.port = http.free_port()

    def command(self) -> list[str]:
        """The command line."""
        return ["python3", f"{self.home}/bin/pool.py", self.path, str(self.port), *self.options]

    def judged(self, started: TestedProcess, wakeup: Wakeup, deadline: float) -> TestedProcess:
        """The worker."""
        while started.alive:
            for pid in children(started.pid):
                return Worker(started, pid, wakeup)
            started.pause(deadline, longest=POLL)
        return started

    def drive(self, tested: TestedProcess, deadline: float) -> list[str]:
        """Make one request, then ask the worker to stop."""
        line = http.request(tested, self.port, deadline)
        tested.send(signal.SIGTERM)
        return http.notes_on(line)
