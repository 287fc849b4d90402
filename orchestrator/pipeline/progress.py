"""What a run tells while it works; terminals and logs show it each in their own way."""

from typing import Protocol

from orchestrator.model import CellResult


class Progress(Protocol):
    """Called from worker threads; implementations take care of their own locking."""

    def begin(self, images: int, cells: int) -> None:
        """The run is planned: so many images to have, so many cells to run."""

    def image_started(self, role: str) -> None:
        """An image is being built, since it was not there."""

    def image_ended(self, role: str, seconds: float, error: str | None) -> None:
        """An image is there, or could not be built."""

    def cell_started(self, cell: str) -> None:
        """A cell's first trial begins."""

    def cell_ended(self, result: CellResult) -> None:
        """A cell has its verdict."""

    def say(self, text: str) -> None:
        """Anything else worth a line."""
