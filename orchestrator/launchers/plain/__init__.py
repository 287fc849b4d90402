"""The launcher `plain`: the target is started as itself, without a server."""

from pathlib import Path
from typing import Final

from orchestrator.launchers.launcher import Launcher
from orchestrator.supervisor.targets import COMMANDS

LAUNCHER: Final = Launcher(
    name="plain",
    folder=Path(__file__).parent,
    clean_status=0,
    starts=frozenset(COMMANDS),
)
