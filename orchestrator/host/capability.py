"""One thing that this host can or cannot do."""

from enum import StrEnum

from orchestrator.model import Value


class State(StrEnum):
    """How well this host has a capability."""

    OK = "ok"
    DEGRADED = "degraded"
    MISSING = "missing"


class Capability(Value):
    """One thing a host needs or can use. `hint` is empty where nothing is missing."""

    name: str
    state: State
    found: str
    hint: str = ""
    required: bool = True
    """Whether the main job needs it; the others allow further cells."""

    @property
    def blocks(self) -> bool:
        """Whether the main job cannot run because this is missing."""
        return self.required and self.state is State.MISSING
