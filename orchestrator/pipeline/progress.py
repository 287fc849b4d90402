"""What a run tells while it works; terminals and logs show it each in their own way."""

from typing import Protocol

from orchestrator import images
from orchestrator.model import CellResult


class Progress(images.Progress, Protocol):
    """Called from worker threads; implementations take care of their own locking."""

    def begin(self, images: int, cells: int) -> None:
        """The run is planned: so many images to have, so many cells to run."""

    def cell_started(self, cell: str) -> None:
        """A cell's first trial begins."""

    def cell_ended(self, result: CellResult) -> None:
        """A cell has its verdict."""
