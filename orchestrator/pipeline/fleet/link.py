"""The connection from a run to its hosts, and the state of each host."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, Protocol

from orchestrator.model import ImageSpec, PlannedCell
from orchestrator.pipeline.fleet.dispatch import Lease, Prepare
from orchestrator.pipeline.fleet.messages import File, Looked, Open, Ran

SLOTS: Final = "core_slots"
"""The resource of a host: how many containers may be up at once."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A host that is there: what it offers, and a number that changes with each sign of life."""

    name: str
    resources: Mapping[str, float]
    heard: float


@dataclass(frozen=True, kw_only=True)
class Arrived:
    """The answer to an order, or why there is none."""

    order: int
    frame: bytes | None
    error: str = ""


class Link(Protocol):
    """The connection to the hosts."""

    def hosts(self) -> Mapping[str, Seen]:
        """The hosts that are there, by address."""

    def ask(self, host: str, frame: bytes, resources: Mapping[str, float]) -> int:
        """Send an order to a host, which takes so much of its resources; returns the order's number."""

    def forget(self, order: int) -> None:
        """Stop waiting for an answer."""

    def tell(self, host: str, token: str, what: str) -> None:
        """Send a host a message that bypasses the orders that it works on."""

    def answer(self, timeout: float) -> Arrived | None:
        """The next answer; None where none came in time."""


class State(Enum):
    """Whether a host takes cells: it is being asked, it does, it is silent, or it lacks something."""

    ASKED = auto()
    TAKING = auto()
    SILENT = auto()
    REFUSED = auto()


@dataclass(kw_only=True)
class Member:
    """A host of a run; `heard` is the last sign of life, by the scheduler's account."""

    address: str
    name: str
    slots: int
    heard: float
    since: float
    """When a sign of life came last, on this side's clock."""
    state: State = State.ASKED
    looked: Looked | None = None
    strikes: int = 0


@dataclass(kw_only=True)
class Fetch:
    """Cells of an answer whose large files are still coming."""

    lease: Lease
    ran: Ran
    results: dict[int, bytes]
    left: list[tuple[File, int]]
    """Files with how much of them is here."""


Work = Lease | Prepare | Fetch | None
"""What an order is for; None where the host itself is asked about."""


@dataclass(frozen=True, kw_only=True)
class FleetPlan:
    """What a fleet runs: `cells` by number, the images that they need, and the run's terms."""

    token: str
    cells: Sequence[PlannedCell]
    specs: Mapping[str, ImageSpec]
    arch: str
    """The architecture of the host that planned: recipes are made for it."""
    opening: Open
