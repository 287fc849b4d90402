"""Plans: which cells run, on which image, against which expectation; which do not, and why."""

from orchestrator.model.base import SCHEMA, Value
from orchestrator.model.catalogue import MadeOf
from orchestrator.model.cell import VERSION_AXES, Cell
from orchestrator.model.scenario import Expectation, Toolchain


class ExcludedCell(Value):
    """A cell of the cross product that does not run, with the reason and the rule's place."""

    cell: Cell
    reason: str
    where: str | None = None


class SelectedCell(Value):
    """A cell that was asked for, with what its scenario says of it."""

    cell: Cell
    expectation: Expectation
    trials: int
    """The most that are run; a cell is settled by fewer where they tell enough."""
    share: int = 1
    """How many of them may share a container."""
    timeout: float
    options: tuple[str, ...] = ()
    """Options of the launcher's program."""


class Selection(Value):
    """The outcome of expanding a matrix: cells to run and cells left out with reasons."""

    profile: str
    cells: tuple[SelectedCell, ...]
    excluded: tuple[ExcludedCell, ...]
    deselected: int
    """How many cells the profile and the flags left out; those carry no reason of their own."""


class PlannedCell(SelectedCell):
    """A selected cell with its image: `image` is the content-addressed key."""

    image: str
    made_of: MadeOf | None = None
    """The base and the interpreter; None in plans from before these were recorded."""
    toolchain: Toolchain | None = None
    """What compiled the probe; None as above."""
    emulated: bool = False
    """Not the architecture of the host that planned: it runs under qemu-user, with a longer timeout."""


class PlannedImage(Value):
    """An image of a plan as plan.json lists it: every key is fixed before anything is built."""

    key: str
    tag: str
    role: str
    arch: str
    parents: tuple[str, ...]


class Plan(Value):
    """plan.json. With the cells' results it is all that resuming, sharding, merging and reports need."""

    schema_version: int = SCHEMA
    run: str
    created: str
    profile: str
    selection: str
    shard: str | None = None
    engine: str | None = None
    """The engine that the run used, for example "docker 20.10.24"; None until one was asked."""
    cells: tuple[PlannedCell, ...]
    excluded: tuple[ExcludedCell, ...]
    deselected: int
    images: tuple[PlannedImage, ...]
    ordered: tuple[str, ...] = tuple(sorted(VERSION_AXES))
    """Axes that the project's expressions compare as versions; values that were not planned decide it too."""
    missing_shards: tuple[str, ...] = ()
    """Of a merged run: shards that were not there, so that their cells are in no count of it."""
    replaced: int = 0
    """Of a merged run: cells that stood in several runs; the one planned last counts."""
