"""Results to causes: what went wrong, once each, however many cells show it; and since which run."""

from orchestrator.causes.causes import RULED, CauseGroup, find_causes, tell_causes
from orchestrator.causes.since import dated, past_causes

__all__ = ["RULED", "CauseGroup", "dated", "find_causes", "past_causes", "tell_causes"]
