"""The launcher `plain` in a container: the target's own command, no requests, its own exit."""

from orchestrator.supervisor.launch import Launch

__all__ = ["Launch"]
