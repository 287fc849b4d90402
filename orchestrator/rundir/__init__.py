"""The folder of a run: its file names, its documents read and written, its cells' records and statuses."""

__lazy_modules__ = (
    "orchestrator.rundir",
    "orchestrator.rundir.documents",
    "orchestrator.rundir.find",
    "orchestrator.rundir.folder",
    "orchestrator.rundir.records",
)

from orchestrator.rundir import layout
from orchestrator.rundir.documents import read_lock
from orchestrator.rundir.find import find_run, latest_run, run_folders
from orchestrator.rundir.folder import RunFolder
from orchestrator.rundir.records import CellRecord, RunData, Status

__all__ = [
    "CellRecord",
    "RunData",
    "RunFolder",
    "Status",
    "find_run",
    "latest_run",
    "layout",
    "read_lock",
    "run_folders",
]
