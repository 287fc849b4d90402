"""The command line: flags to values, errors to one line and an exit code."""

from orchestrator.cli.main import main

__all__ = ["main"]
