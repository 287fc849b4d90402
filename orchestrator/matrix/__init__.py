"""matrix.yaml and scenarios to cells: chosen, and excluded with reasons."""

from orchestrator.matrix.expand import select
from orchestrator.matrix.matrix_file import Matrix, load_matrix
from orchestrator.matrix.request import Request

__all__ = ["Matrix", "Request", "load_matrix", "select"]
