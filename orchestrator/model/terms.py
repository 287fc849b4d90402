"""What a cell runs under: what its scenario says, and what the plan adds."""

from orchestrator.model.base import Integer, Seconds, Value
from orchestrator.model.catalogue import MadeOf
from orchestrator.model.cell import Cell
from orchestrator.model.memory import DEFAULT_MEMORY
from orchestrator.model.scenario import Expectation, Toolchain


class CellTerms(Value):
    """What a selection says of a cell beside its axis values; many cells share one."""

    expectation: Expectation
    trials: Integer
    """The most that are run; a cell is settled by fewer where they tell enough."""
    enough: Integer = 1
    """How many trials that settle the verdict are run. A bisection asks how often."""
    trials_per_container: Integer = 1
    """How many of them may share a container."""
    timeout: Seconds
    """Seconds for one trial."""
    options: tuple[str, ...] = ()
    """Options of the launcher's program."""
    network: bool = False
    """Whether the container has a network beside its loopback."""
    memory: Integer = DEFAULT_MEMORY
    """The memory limit of the container, in bytes."""


class PlannedTerms(CellTerms):
    """What a plan says of a cell beside its axis values.

    `image` is the content-addressed key; in a listing, which renders no images, it is empty.
    """

    image: str
    made_of: MadeOf | None = None
    """The base and the interpreter; None in plans that do not say it."""
    lock: str | None = None
    """The digest of the packages that the cell's virtual environment has; None without one."""
    tools: str | None = None
    """The digest of the packages that built its source; None if nothing was built."""
    built: tuple[str, ...] = ()
    """The source distributions, by file name, that its packages without a wheel are built from."""
    toolchain: Toolchain | None = None
    """What compiled the probe; None as above."""
    emulated: bool = False
    """Not the architecture of the host that planned: it runs under qemu-user, with a longer timeout."""


class PlannedCell(PlannedTerms):
    """A cell that a plan runs, with its terms."""

    cell: Cell
