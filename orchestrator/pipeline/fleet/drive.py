"""Runs the cells of a plan on several hosts.

One thread does everything in turn: it notices hosts, sends orders, and takes answers. Only `Link` waits for
the network. The time comes from `clock`, so that a simulation can replace it.
"""

from dataclasses import dataclass
from typing import Final

from orchestrator.pipeline.fleet.answers import Answers
from orchestrator.pipeline.fleet.dispatch import Lease
from orchestrator.pipeline.fleet.host import KILL
from orchestrator.pipeline.fleet.link import Fetch
from orchestrator.pipeline.schedule import DRAIN

LOOK: Final = 1.0
"""Seconds between two looks at which hosts are there."""
POLL: Final = 0.2
KILLED: Final = 30.0
"""Seconds that hosts have to answer after their cells were ended."""


@dataclass(kw_only=True)
class Fleet(Answers):
    """Runs a plan's cells on the hosts of a link. After `execute`, `stopped` says why it ended early."""

    def execute(self) -> None:
        """Run the cells to their end, or until a stop has drained."""
        try:
            self._run()
        except KeyboardInterrupt:
            self._halt("interrupted by the user")
            self.progress.say("Draining: cells that run may finish. Ctrl-C again kills them.")
            try:
                self._run()
            except KeyboardInterrupt:
                self._kill()
                self._run()

    def _run(self) -> None:
        while not self.is_over:
            self.step(POLL)

    @property
    def is_over(self) -> bool:
        """Whether there is nothing more to wait for."""
        if self._killed_at is not None and self.clock() - self._killed_at > KILLED:
            return True
        if self.stopped is not None:
            return not any(isinstance(work, (Lease, Fetch)) for _, work in self._live_orders())
        return not self.dispatcher.left

    def step(self, timeout: float) -> None:
        """Look at the hosts where it is time for that, then take one answer."""
        now = self.clock()
        if now - self._looked_at >= LOOK:
            self._looked_at = now
            self._mind_hosts(now)
        self._mind_deadline()
        arrived = self.link.answer(timeout)
        if arrived is not None:
            self._arrived(arrived)

    def _mind_deadline(self) -> None:
        if self.deadline is None or not self.deadline.is_over:
            return
        if self._halt(f"--deadline {self.deadline.words} is over"):
            self.progress.say(f"The deadline is over: cells that run have {DRAIN} s to finish.")
        if self.deadline.is_drained and self._killed_at is None:
            self._kill()

    def _kill(self) -> None:
        self._killed_at = self.clock()
        self._tell(KILL)
