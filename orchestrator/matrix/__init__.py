"""matrix.yaml and scenarios to cells: chosen, and excluded with reasons."""

__lazy_modules__ = (
    "orchestrator.matrix.cover",
    "orchestrator.matrix.expand",
    "orchestrator.matrix.expression",
    "orchestrator.matrix.files",
    "orchestrator.matrix.matrix_file",
    "orchestrator.matrix.request",
    "orchestrator.matrix.start",
)

from orchestrator.matrix.cover import Candidate, combination_count, covering
from orchestrator.matrix.expand import reduced, select
from orchestrator.matrix.expression import ARCH_ALIASES, Aliases
from orchestrator.matrix.files import whole_folder
from orchestrator.matrix.matrix_file import Matrix, load_matrix
from orchestrator.matrix.packages import LatestOf
from orchestrator.matrix.request import OtherPlan, Request, axis_flag
from orchestrator.matrix.start import NewScenario, is_listed, write_first_files

__all__ = [
    "ARCH_ALIASES",
    "Aliases",
    "Candidate",
    "LatestOf",
    "Matrix",
    "NewScenario",
    "OtherPlan",
    "Request",
    "axis_flag",
    "combination_count",
    "covering",
    "is_listed",
    "load_matrix",
    "reduced",
    "select",
    "whole_folder",
    "write_first_files",
]
