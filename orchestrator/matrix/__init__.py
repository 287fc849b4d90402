"""matrix.yaml and scenarios to cells: chosen, and excluded with reasons."""

from orchestrator.matrix.expand import select
from orchestrator.matrix.expression import ARCH_ALIASES, Aliases
from orchestrator.matrix.matrix_file import Matrix, load_matrix
from orchestrator.matrix.request import Request, axis_flag

__all__ = ["ARCH_ALIASES", "Aliases", "Matrix", "Request", "axis_flag", "load_matrix", "select"]
