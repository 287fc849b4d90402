"""The progress events of a run, which terminals and logs show in their own ways."""

from typing import Protocol

from orchestrator import images
from orchestrator.model import CellResult


class Progress(images.Progress, Protocol):
    """Called from worker threads; implementations take care of their own locking."""

    def begin(self, images: int, cells: int) -> None:
        """The run is planned: the numbers of images to build and cells to run."""

    def cell_started(self, cell: str) -> None:
        """A cell's first trial begins."""

    def cell_ended(self, result: CellResult) -> None:
        """A cell has its verdict."""
