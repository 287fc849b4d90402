"""The state of a run on several hosts: orders that are out, cells that have ended, and why it stops."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator.errors import CrashmatrixError
from orchestrator.model import CellResult, PlannedCell, Verdict
from orchestrator.pipeline.fleet import content
from orchestrator.pipeline.fleet.dispatch import Dispatcher, Lease, Prepare
from orchestrator.pipeline.fleet.host import STOP
from orchestrator.pipeline.fleet.link import SLOTS, FleetPlan, Link, Member, State, Work
from orchestrator.pipeline.fleet.messages import File, Make, Run, pack
from orchestrator.pipeline.fleet.taking import Taking
from orchestrator.pipeline.progress import Progress
from orchestrator.pipeline.schedule import Deadline
from orchestrator.pipeline.slots import AHEAD


@dataclass(kw_only=True)
class FleetState:
    """What a run on several hosts knows. Once `stopped` says why, no further cell is started."""

    link: Link
    plan: FleetPlan
    dispatcher: Dispatcher
    taking: Taking
    progress: Progress
    silence: float
    """Seconds without a sign of life after which a host's cells run elsewhere."""
    patience: float
    """Seconds to wait for a host that takes cells."""
    cores: bool = False
    """Whether cores are brought here."""
    fail_fast: bool = False
    deadline: Deadline | None = None
    clock: Callable[[], float] = time.monotonic
    stopped: str | None = None
    dropped: int = 0
    """Results that came second."""
    _members: dict[str, Member] = field(default_factory=dict)
    _orders: dict[int, tuple[str, Work]] = field(default_factory=dict)
    _images: dict[tuple[str, str], str] = field(default_factory=dict)
    _sent: set[tuple[str, str]] = field(default_factory=set)
    """Hosts that have been sent the files of an image, and have not answered yet."""
    _started: set[int] = field(default_factory=set)
    _owners: dict[int, int] = field(default_factory=dict)
    """The lease whose files are being written, by cell."""
    _said: set[str] = field(default_factory=set)
    _looked_at: float = float("-inf")
    _idle_since: float | None = None
    _killed_at: float | None = None

    def _live_orders(self) -> Iterator[tuple[str, Work]]:
        """Orders to hosts that are heard of."""
        for host, work in self._orders.values():
            member = self._members.get(host)
            if member is not None and member.state is State.TAKING:
                yield host, work

    def _ask(self, host: str, frame: bytes, work: Work, resources: Mapping[str, float] | None = None) -> None:
        self._orders[self.link.ask(host, frame, resources or {})] = (host, work)

    def _pump_all(self) -> None:
        for host in self.dispatcher.hosts:
            self._pump(host)

    def _pump(self, host: str) -> None:
        """Send a host as many orders as it can take."""
        while self.stopped is None and (work := self.dispatcher.next(host)) is not None:
            if isinstance(work, Prepare):
                self._ask(host, self._make(work.image), work)
                continue
            for number in work.cells:
                self._start(number, self.plan.cells[number])
            groups = tuple(tuple(self.plan.cells[number] for number in group.cells) for group in work.groups)
            order = Run(token=self.plan.token, image=self._images[host, work.image], groups=groups)
            # A host works on some cells ahead of each container that may be up.
            self._ask(host, pack(order), work, {SLOTS: 1 / AHEAD, work.arch: 1 / AHEAD})

    def _make(self, key: str, needs: Sequence[str] = ()) -> bytes:
        specs = content.chain(self.plan.specs, key)
        here = content.carried(specs)
        data = [content.read(here[digest], digest) for digest in needs if digest in here]
        files = tuple(File(name=name, size=len(item)) for name, item in zip(needs, data, strict=True))
        return pack(Make(token=self.plan.token, specs=specs, content=files), data)

    def _start(self, number: int, planned: PlannedCell) -> None:
        if number not in self._started:
            self._started.add(number)
            self.progress.cell_started(planned.cell.id)

    def _record(self, number: int, result: CellResult) -> None:
        self.dispatcher.record(number)
        self._owners.pop(number, None)
        self._start(number, self.plan.cells[number])
        self.progress.cell_ended(result)
        if self.fail_fast and result.judgement.verdict in (Verdict.FAIL, Verdict.ERROR):
            self._halt(f"--fail-fast: {result.cell.id} is {result.judgement.verdict}")

    def _drop(self, member: Member, planned: PlannedCell) -> None:
        self.dropped += 1
        self.progress.say(f"{planned.cell.id}: {member.name} sent a second result, which is dropped.")

    def _release(self, lease: Lease, error: CrashmatrixError) -> None:
        given_up = self.dispatcher.release(lease)
        if self.stopped is None:
            self._give_up(given_up, error)

    def _give_up(self, cells: Sequence[int], error: CrashmatrixError) -> None:
        """Cells that could not be observed anywhere: `error`, with the reason."""
        for number in cells:
            if self.stopped is None and not self.dispatcher.ended(number):
                planned = self.plan.cells[number]
                self._start(number, planned)
                self._record(number, self.taking.results.unobserved(planned, error))

    def _halt(self, why: str) -> bool:
        """Start no further cell; returns whether this is the first reason."""
        if self.stopped is not None:
            return False
        self.stopped = why
        self._tell(STOP)
        return True

    def _tell(self, what: str) -> None:
        for member in self._members.values():
            if member.state is State.TAKING:
                self.link.tell(member.address, self.plan.token, what)

    def _say_once(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self.progress.say(text)
