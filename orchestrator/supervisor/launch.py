"""The container half of a launcher: its base class."""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING

from orchestrator.supervisor.manners import Manners
from orchestrator.supervisor.paths import SCENARIO
from orchestrator.supervisor.targets import COMMANDS

if TYPE_CHECKING:
    from orchestrator.supervisor.targets import Target
    from orchestrator.supervisor.tested import TestedProcess
    from orchestrator.supervisor.wakeup import Wakeup


class Launch:
    """One start of a target: as itself, without a server. Launchers with a server override the methods.

    `home` is the image's folder (paths.HOME); `options` are the scenario's launcher options.
    """

    manners = Manners(clean=frozenset({0}))
    """Of a launcher that serves applications: how its workers end."""
    port = 0
    """Where its server listens, on the loopback."""

    def __init__(self, home: str, target: Target, options: list[str]) -> None:
        self.home, self.target, self.options = home, target, options

    @property
    def venv(self) -> str:
        """The folder of the virtual environment with the scenario's packages."""
        return os.path.join(self.home, "venv")

    @property
    def path(self) -> str:
        """The target's absolute path."""
        return os.path.join(self.home, SCENARIO, self.target.file)

    def command(self) -> list[str]:
        """The command line."""
        return COMMANDS[self.target.kind](self.target, self.path, self.options)

    def judged(self, started: TestedProcess, _wakeup: Wakeup, _deadline: float) -> TestedProcess:
        """The process whose exit is the outcome: `started` or one of its children.

        Raises TimedOutError at the deadline (of CLOCK).
        """
        return started

    def drive(self, _tested: TestedProcess, _deadline: float) -> list[str]:
        """Make the requests of a trial and ask the process to stop; returns notes on anything odd.

        Raises TimedOutError at the deadline. A tested process that stops by itself needs nothing.
        """
        return []


def launch_of(launcher: str) -> type[Launch]:
    """The class of a launcher's container half, the one launcher in the image."""
    found: type[Launch] = importlib.import_module(f"orchestrator.launchers.{launcher}.container").Launch
    return found
