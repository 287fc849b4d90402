"""The run as a visible list of steps; hands each station its input."""

from orchestrator.pipeline.analyze import BACKENDS, AnalyzeRequest, analyze_core
from orchestrator.pipeline.building import build_images, lock_images, render_images
from orchestrator.pipeline.merge import merge_runs
from orchestrator.pipeline.planning import PlannedRun, Project, make_plan
from orchestrator.pipeline.progress import Progress
from orchestrator.pipeline.reporting import compare_runs, write_reports
from orchestrator.pipeline.run import Finished, RunOptions, exit_code, latest_run, run_matrix

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
    "latest_run",
    "lock_images",
    "make_plan",
    "merge_runs",
    "render_images",
    "run_matrix",
    "write_reports",
]
