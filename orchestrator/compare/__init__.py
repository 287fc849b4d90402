"""Runs against each other: what changed since a baseline, and the history of the runs that are there."""

from orchestrator.compare.compare import compare, compare_newest
from orchestrator.compare.history import digest, history

__all__ = ["compare", "compare_newest", "digest", "history"]
