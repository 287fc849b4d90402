"""Two real runs of one project: as it was, and with two edited expectations, a deadlock and a bad probe.

The second is the red run: of 24 cells 7 fail, one of them by a deadlock of a mutex and the GIL, 8 have no
image since a Rust probe does not compile, and 9 pass. Cores and the engine's other files are left out.
"""

import tarfile
from pathlib import Path
from typing import Final

from orchestrator.pipeline.reporting import write_reports
from orchestrator.rundir import RunData

ARCHIVE: Final = Path(__file__).parents[1] / "data" / "redruns.tar.xz"
BASELINE: Final = "20261130-103349-smoke"
RED: Final = "20261130-114329-smoke"


def unpack(folder: Path) -> Path:
    """Both runs as they were captured; returns the folder of the red one, which has no reports yet."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    return folder / RED


def report(folder: Path) -> RunData:
    """The red run with its reports, beside its baseline."""
    return write_reports(unpack(folder))
