"""The files whose JSON schemas `crashmatrix schema` prints; docs/schema has them as of this version."""

from __future__ import annotations

__lazy_modules__ = ("orchestrator", "orchestrator.matrix")

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from orchestrator import model
from orchestrator.matrix import matrix_file, scenario_file

if TYPE_CHECKING:
    from pydantic import BaseModel

SCHEMAS: Final[Mapping[str, Callable[[], type[BaseModel]]]] = {
    "bisection": lambda: model.Bisection,
    "causes": lambda: model.Causes,
    "check": lambda: model.Checked,
    "comparison": lambda: model.Comparison,
    "crash": lambda: model.Crash,
    "digest": lambda: model.RunDigest,
    "explanations": lambda: model.Explanations,
    "history": lambda: model.History,
    "matrix": lambda: matrix_file.MatrixFile,
    "plan": lambda: model.Plan,
    "result": lambda: model.CellResult,
    "scenario": lambda: scenario_file.ScenarioFile,
}
"""The model of each file by the name that the command takes."""
