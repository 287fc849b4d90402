"""matrix.yaml and scenarios to cells: chosen, and excluded with reasons."""

from orchestrator.plan.expand import Request, select
from orchestrator.plan.matrix import Matrix, load_matrix

__all__ = ["Matrix", "Request", "load_matrix", "select"]
