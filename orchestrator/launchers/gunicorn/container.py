"""The launcher `gunicorn` in a container: its command line."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from orchestrator.supervisor import http, launch
from orchestrator.supervisor.manners import Manners

if TYPE_CHECKING:
    from orchestrator.supervisor.targets import Target

MASTER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "master.py")


class Launch(launch.Launch):
    """gunicorn of the virtual environment, with the application of the scenario."""

    # A worker that its master ends for a request that takes too long leaves by sys.exit(1), if it can.
    manners = Manners(clean=frozenset({0}), cut_off=frozenset({1}))

    def __init__(self, home: str, target: Target, options: list[str]) -> None:
        super().__init__(home, target, options)
        self.port = http.free_port()

    def command(self) -> list[str]:
        """The command line: the scenario's options, then those that this program needs."""
        return ["python3", MASTER, *self.options, "--bind", f"127.0.0.1:{self.port}", self.target.file]
