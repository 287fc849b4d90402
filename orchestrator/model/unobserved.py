"""Why nothing was observed in a cell: its image did not build, or the engine or this host failed."""

from enum import StrEnum

from orchestrator.model.base import Value


class Obstacle(StrEnum):
    """What kept a cell from being observed."""

    IMAGE = "image"
    """The cell's image, or one that it is built on, could not be built."""
    ENGINE = "engine"
    """The container engine failed or went away."""
    HOST = "host"
    """Anything else of this host: no room on its disk, a file that cannot be written."""
    GATE = "gate"
    """The first test of its environment failed, so this cell was not run."""


class FailedImage(Value):
    """An image whose build failed. `log` is relative to the run's folder."""

    role: str
    step: str | None = None
    """The step of its recipe that failed; None where no step had begun."""
    error: str
    """The line of the log that tells the cause."""
    lines: tuple[str, ...] = ()
    """That line and up to four that follow it; the end of the log where no line tells."""
    log: str | None = None


class Unobserved(Value):
    """Why a cell has no trial. `image` is the one that failed: the cell's, or one that it is built on."""

    obstacle: Obstacle
    image: FailedImage | None = None
