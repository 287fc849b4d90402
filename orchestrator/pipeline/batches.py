"""One cell's trials, a few in each container, of which several run at once where no other cell would.

Their outcomes are taken in the order in which the containers were asked for, whichever ends first: a crash
may end a container early, and a sequential test holds for an order that no outcome decides.
"""

import math
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

from orchestrator.errors import HostError
from orchestrator.execute import TrialRequest, new_hostname
from orchestrator.model import Outcome
from orchestrator.pipeline.slots import AHEAD, POLL, Slot, Slots


@dataclass(kw_only=True)
class Batch:
    """The trials of one container, which has this name."""

    request: TrialRequest
    hostname: str
    slot: Slot
    given_up: threading.Event
    future: Future[Sequence[Outcome]] = field(init=False)

    def outcomes(self) -> Sequence[Outcome]:
        """Wait for the outcomes, of the first trials at least; raises what running them raised."""
        return self.future.result()


@dataclass(kw_only=True)
class Batches:
    """The containers of a cell with so many trials, up to `share` in each. `with` ends those left over."""

    trials: int
    share: int
    slots: Slots
    request: Callable[[int, int], TrialRequest]
    """Makes the request of trials from one of this number on, and so many."""
    run: Callable[[Batch], Sequence[Outcome]]
    """Runs the trials of a container, while it holds the slot."""
    kill: Callable[[str], None]
    """Kills the container of this name, if it runs."""
    forget: Callable[[TrialRequest], None]
    """Removes what trials wrote that nobody wants any more."""
    _left: deque[range] = field(default_factory=deque)
    """The numbers of trials that no container was asked for."""
    _asked: deque[Batch] = field(default_factory=deque)
    _began: bool = False
    _threads: ThreadPoolExecutor = field(init=False)

    def __post_init__(self) -> None:
        self._left.append(range(1, self.trials + 1))
        self._threads = ThreadPoolExecutor(AHEAD * self.slots.count, "trials")

    def next(self, *, ahead: bool) -> Batch | None:
        """The container whose outcomes come next; None where none is left.

        With `ahead`, further ones run meanwhile, and others are created, where no other cell needs the
        places. They are in vain if this one settles the cell.
        """
        width = self.slots.each if ahead else 1
        most = AHEAD * width if width > 1 else 1
        while self._left and len(self._asked) < most and not (self._began and self.slots.stop.is_set()):
            self._ask(width)
        return self._asked.popleft() if self._asked else None

    def repeat(self, batch: Batch, done: int) -> None:
        """Have another container run the trials behind the first ones of this one, which ended early."""
        numbers = range(batch.request.first, batch.request.first + batch.request.count)[done:]
        if numbers:
            self._left.appendleft(numbers)

    def _ask(self, width: int) -> None:
        numbers = self._left.popleft()
        unseen = len(numbers) + sum(map(len, self._left)) + sum(item.request.count for item in self._asked)
        # Equally many in each, so that all places are busy to the end.
        rounds = math.ceil(unseen / (width * self.share))
        count = min(len(numbers), math.ceil(unseen / (width * rounds)))
        if numbers[count:]:
            self._left.appendleft(numbers[count:])
        given_up = threading.Event()
        batch = Batch(
            request=self.request(numbers[0], count),
            hostname=new_hostname(),
            slot=self.slots.slot(given_up),
            given_up=given_up,
        )
        batch.future = self._threads.submit(self.run, batch)
        self._asked.append(batch)
        self._began = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for batch in self._asked:
            batch.given_up.set()
            batch.future.cancel()
        for batch in self._asked:
            # A container that is being created does not start any more; one that starts now is killed soon.
            while not batch.future.done():
                with suppress(HostError):
                    self.kill(batch.hostname)
                wait([batch.future], timeout=POLL)
            self.forget(batch.request)
        self._threads.shutdown()
