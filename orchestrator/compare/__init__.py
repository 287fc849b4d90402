"""Comparison of runs: the changes since a baseline, and the history of the runs in a folder."""

from orchestrator.compare.compare import compare, compare_newest
from orchestrator.compare.history import digest, history

__all__ = ["compare", "compare_newest", "digest", "history"]
