"""Results to explanations: which axes make the difference, as short rules, and in words."""

from orchestrator.explain.explain import Separator, explain

__all__ = ["Separator", "explain"]
