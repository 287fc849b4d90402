"""Decides which host gets which cells next, and whose result counts. Uses neither clock nor network.

A lease is one group of cells of an image at one host, or several while very many wait: one order then hands
out many cells. It ends with results, or is revoked when its host is lost; then its cells wait again. The
first result of a cell counts: a host that was only cut off may still send a second one. Each step takes time
that depends neither on the number of cells nor on that of hosts, but for the choice of an image to prepare,
which looks at those that have cells waiting.
"""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

ATTEMPTS: Final = 3
"""Attempts at a cell whose host is lost, or fails, each time."""
PREPARED: Final = 2
"""Images that a host prepares at a time."""
WINDOWS: Final = 2
"""An image that others have is prepared on one more host if this many windows of each of them wait for it."""
BATCH: Final = 8
"""Groups of one lease at most. dask takes some milliseconds for an order, whatever is in it."""
PLENTY: Final = 4
"""A lease has several groups while so many of that size wait for each place of the hosts' windows."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """Cells of one image that may share a container, by number; `seconds` is how long they may take."""

    image: str
    arch: str
    cells: tuple[int, ...]
    seconds: float
    alone: bool = False
    """Whether its lease has no other group: its host was lost before."""


@dataclass(frozen=True, kw_only=True)
class Lease:
    """Groups of one image at a host, which runs them one after the other."""

    number: int
    host: str
    groups: tuple[Group, ...]

    @property
    def image(self) -> str:
        """The image's key."""
        return self.groups[0].image

    @property
    def arch(self) -> str:
        """The architecture of its cells."""
        return self.groups[0].arch

    @property
    def cells(self) -> tuple[int, ...]:
        """The numbers of all cells."""
        return tuple(cell for group in self.groups for cell in group.cells)


@dataclass(frozen=True, kw_only=True)
class Prepare:
    """An image that a host is to build or to pull."""

    host: str
    image: str


@dataclass(kw_only=True)
class _Image:
    key: str
    arch: str
    waiting: list[tuple[float, int, Group]] = field(default_factory=list)
    """A heap: those that may take longest first, then in the plan's order."""
    at: set[str] = field(default_factory=set)
    """The hosts that have it."""
    window: int = 0
    """The windows of those hosts together."""
    preparing: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)

    @property
    def head(self) -> float:
        """The order of its first group among others: smaller is earlier."""
        return self.waiting[0][0]


@dataclass(kw_only=True)
class _Host:
    name: str
    arches: frozenset[str]
    window: int
    leases: set[int] = field(default_factory=set)
    ready: list[tuple[float, str]] = field(default_factory=list)
    """A heap of images with waiting groups; the order of an entry may be too early, never too late."""
    images: set[str] = field(default_factory=set)
    preparing: set[str] = field(default_factory=set)


class Dispatcher:
    """The cells of a run among hosts. Cells are numbers from 0, hosts are names; not thread-safe."""

    def __init__(self, groups: Iterable[Group], cells: int) -> None:
        """All groups wait; `cells` is one more than the largest number."""
        self._images: Final[dict[str, _Image]] = {}
        self._open: Final[dict[str, _Image]] = {}
        """Images with groups that wait."""
        self._hosts: Final[dict[str, _Host]] = {}
        self._leases: Final[dict[int, Lease]] = {}
        self._ended: Final = bytearray(cells)
        self._losses: Final[dict[int, int]] = {}
        self._numbers = 0
        self.left = 0
        """Cells without a result."""
        for group in groups:
            self._add(group)
            self.left += len(group.cells)

    def add_host(self, name: str, arches: Iterable[str], window: int, images: Iterable[str] = ()) -> None:
        """A host that may hold `window` leases at a time, and that has these images already."""
        host = _Host(name=name, arches=frozenset(arches), window=window)
        self._hosts[name] = host
        for key in images:
            if key in self._images and self._images[key].arch in host.arches:
                self._give(host, self._images[key])

    def next(self, name: str) -> Lease | Prepare | None:
        """The next work for a host; None if there is none now."""
        host = self._hosts.get(name)
        if host is None or len(host.leases) >= host.window:
            return None
        groups = self._take(host)
        if groups:
            self._numbers += 1
            lease = Lease(number=self._numbers, host=name, groups=groups)
            self._leases[lease.number] = lease
            host.leases.add(lease.number)
            return lease
        image = self._to_prepare(host)
        if image is None:
            return None
        host.preparing.add(image.key)
        image.preparing.add(name)
        return Prepare(host=name, image=image.key)

    def prepared(self, name: str, key: str) -> tuple[str, ...]:
        """Record that a host has an image; returns the hosts whose `next` may have changed."""
        host, image = self._hosts.get(name), self._images[key]
        image.preparing.discard(name)
        if host is None:
            return ()
        host.preparing.discard(key)
        self._give(host, image)
        return (name,)

    def not_prepared(self, name: str, key: str) -> tuple[int, ...]:
        """Record that a host could not make an image; returns the cells that no other host can try.

        A second host tries it before it counts as failed: the first one may lack something.
        """
        image = self._images[key]
        image.preparing.discard(name)
        image.failed.add(name)
        if name in self._hosts:
            self._hosts[name].preparing.discard(key)
        others = [host for host in self._hosts.values() if image.arch in host.arches]
        if image.at or image.preparing:
            return ()
        if len(image.failed) < 2 and any(host.name not in image.failed for host in others):
            return ()
        cells = [cell for _, _, group in image.waiting for cell in group.cells if not self._ended[cell]]
        image.waiting.clear()
        self._open.pop(key, None)
        return tuple(cells)

    def record(self, cell: int) -> bool:
        """Count a cell as ended; False if it had ended before, so that this result is dropped."""
        if self._ended[cell]:
            return False
        self._ended[cell] = 1
        self.left -= 1
        self._losses.pop(cell, None)
        return True

    def ended(self, cell: int) -> bool:
        """Whether a cell has its result."""
        return bool(self._ended[cell])

    def release(self, lease: Lease) -> tuple[int, ...]:
        """End a lease. What has no result waits again; returns the cells that are given up after ATTEMPTS.

        A lease that was revoked before has ended already.
        """
        if self._leases.pop(lease.number, None) is None:
            return ()
        host = self._hosts.get(lease.host)
        if host is not None:
            host.leases.discard(lease.number)
        given_up = []
        for group in lease.groups:
            for cell in group.cells:
                if self._ended[cell]:
                    continue
                self._losses[cell] = self._losses.get(cell, 0) + 1
                if self._losses[cell] >= ATTEMPTS:
                    given_up.append(cell)
                else:  # alone, so that the cell that ends its hosts takes no others with it
                    self._add(replace(_part(group, (cell,)), alone=True))
        return tuple(given_up)

    def remove_host(self, name: str) -> tuple[int, ...]:
        """Revoke the leases of a lost host. Returns the cells that are given up."""
        host = self._hosts.pop(name, None)
        if host is None:
            return ()
        for key in host.images:
            self._images[key].at.discard(name)
            self._images[key].window -= host.window
        for key in host.preparing:
            self._images[key].preparing.discard(name)
        return tuple(cell for number in sorted(host.leases) for cell in self.release(self._leases[number]))

    @property
    def hosts(self) -> Sequence[str]:
        """The hosts that take cells."""
        return tuple(self._hosts)

    @property
    def leases(self) -> int:
        """How many leases there are."""
        return len(self._leases)

    @property
    def is_busy(self) -> bool:
        """Whether a host runs cells or prepares an image."""
        return bool(self._leases) or any(host.preparing for host in self._hosts.values())

    def waiting_arches(self) -> frozenset[str]:
        """The architectures of cells that wait and that no host has."""
        has = frozenset(arch for host in self._hosts.values() for arch in host.arches)
        return frozenset(image.arch for image in self._open.values()) - has

    def _add(self, group: Group) -> None:
        image = self._images.setdefault(group.image, _Image(key=group.image, arch=group.arch))
        self._numbers += 1
        heapq.heappush(image.waiting, (-group.seconds, self._numbers, group))
        self._open[image.key] = image
        if image.waiting[0][2] is group:  # before the first one, so entries of hosts would be too late
            for name in image.at:
                heapq.heappush(self._hosts[name].ready, (image.head, image.key))

    def _give(self, host: _Host, image: _Image) -> None:
        if host.name not in image.at:
            image.window += host.window
        image.at.add(host.name)
        host.images.add(image.key)
        if image.waiting:
            heapq.heappush(host.ready, (image.head, image.key))

    def _take(self, host: _Host) -> tuple[Group, ...]:
        """The group that may take longest, of the images that a host has; with others where many wait."""
        while host.ready:
            order, key = host.ready[0]
            image = self._images[key]
            self._drop_ended(image)
            if not image.waiting:
                heapq.heappop(host.ready)
            elif order < image.head:
                heapq.heapreplace(host.ready, (image.head, key))
            else:
                most = max(1, min(BATCH, len(image.waiting) // (PLENTY * image.window)))
                groups = [self._pop(image)]
                while (
                    len(groups) < most
                    and image.waiting
                    and not (groups[0].alone or image.waiting[0][2].alone)
                ):
                    groups.append(self._pop(image))
                return tuple(groups)
        return ()

    def _pop(self, image: _Image) -> Group:
        """The first group of an image, without the cells that have ended; the one behind it has some left."""
        group = heapq.heappop(image.waiting)[2]
        self._drop_ended(image)
        left = tuple(cell for cell in group.cells if not self._ended[cell])
        return group if len(left) == len(group.cells) else _part(group, left)

    def _drop_ended(self, image: _Image) -> None:
        """Drop first groups whose cells have all ended meanwhile, on a host that was thought lost."""
        while image.waiting and all(self._ended[cell] for cell in image.waiting[0][2].cells):
            heapq.heappop(image.waiting)
        if not image.waiting:
            self._open.pop(image.key, None)

    def _to_prepare(self, host: _Host) -> _Image | None:
        """The image with most groups waiting for each host that has it, or will have it."""
        if len(host.preparing) >= PREPARED:
            return None
        best, most = None, 0.0
        for image in self._open.values():
            others = len(image.at) + len(image.preparing)
            if image.arch not in host.arches or host.name in image.failed or image.key in host.preparing:
                continue
            if others and len(image.waiting) <= WINDOWS * host.window * others:
                continue
            share = len(image.waiting) / (1 + others)
            if share > most:
                best, most = image, share
        return best


def _part(group: Group, cells: tuple[int, ...]) -> Group:
    return replace(group, cells=cells, seconds=group.seconds * len(cells) / len(group.cells))
