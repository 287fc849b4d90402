"""The run as a visible list of steps; hands each station its input.

A step is imported once it is asked for: reading one core takes a third of what all of them take to start.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from orchestrator.pipeline.analyze import BACKENDS, AnalyzeRequest, analyze_core
    from orchestrator.pipeline.building import build_images, lock_images, render_images
    from orchestrator.pipeline.merge import merge_runs
    from orchestrator.pipeline.planning import PlannedRun, Project, make_plan
    from orchestrator.pipeline.progress import Progress
    from orchestrator.pipeline.reporting import compare_runs, write_reports
    from orchestrator.pipeline.run import Finished, RunOptions, exit_code, run_matrix

__all__ = [
    "BACKENDS",
    "AnalyzeRequest",
    "Finished",
    "PlannedRun",
    "Progress",
    "Project",
    "RunOptions",
    "analyze_core",
    "build_images",
    "compare_runs",
    "exit_code",
    "lock_images",
    "make_plan",
    "merge_runs",
    "render_images",
    "run_matrix",
    "write_reports",
]

_HOMES: Final = {
    "AnalyzeRequest": "analyze",
    "BACKENDS": "analyze",
    "Finished": "run",
    "PlannedRun": "planning",
    "Progress": "progress",
    "Project": "planning",
    "RunOptions": "run",
    "analyze_core": "analyze",
    "build_images": "building",
    "compare_runs": "reporting",
    "exit_code": "run",
    "lock_images": "building",
    "make_plan": "planning",
    "merge_runs": "merge",
    "render_images": "building",
    "run_matrix": "run",
    "write_reports": "reporting",
}


def __getattr__(name: str) -> object:
    """A step from its module (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
