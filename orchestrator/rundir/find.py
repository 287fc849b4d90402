"""The runs that are kept in one folder, and how a command names one of them."""

from pathlib import Path
from typing import Final

from orchestrator.adapters.suggest import nearest
from orchestrator.errors import InputError, Location
from orchestrator.rundir import layout

LATEST: Final = "latest"


def run_folders(reports: Path) -> tuple[Path, ...]:
    """The folders of all runs in a folder, sorted by name."""
    return tuple(path.parent for path in sorted(reports.glob(f"*/{layout.PLAN}")))


def latest_run(reports: Path) -> Path:
    """The run whose plan was written last; raises InputError where there is none."""
    folders = run_folders(reports)
    if not folders:
        raise InputError("there is no earlier run", where=Location(file=str(reports)), hint="start one")
    return max(folders, key=lambda folder: (folder / layout.PLAN).stat().st_mtime)


def find_run(reports: Path, name: str) -> Path:
    """The folder of a run by its path, its name in `reports`, or `latest`; raises InputError."""
    if name == LATEST:
        return latest_run(reports)
    for folder in (Path(name), reports / name):
        if (folder / layout.PLAN).is_file():
            return folder
    known = [folder.name for folder in run_folders(reports)]
    raise InputError(
        f"there is no run {name!r}", where=Location(file=str(reports)), hint=nearest(name, known)
    )
