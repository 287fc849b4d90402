"""The hosts of a run: they join, fall silent, are lost, come back, or take no cells for a stated reason."""

from dataclasses import dataclass
from typing import Final

from orchestrator.errors import HostError
from orchestrator.pipeline.fleet.dispatch import ATTEMPTS, Lease
from orchestrator.pipeline.fleet.link import SLOTS, Fetch, Member, Seen, State
from orchestrator.pipeline.fleet.messages import Look, pack
from orchestrator.pipeline.fleet.state import FleetState

STRIKES: Final = ATTEMPTS - 1
"""Failures of a host in a row, after which it takes no cells. A cell then has an attempt elsewhere."""


@dataclass(kw_only=True)
class Hosts(FleetState):
    """Tracks the hosts of a run."""

    def _mind_hosts(self, now: float) -> None:
        seen = self.link.hosts()
        for address in [address for address in self._members if address not in seen]:
            self._lose(self._members.pop(address), "is gone")
            self._forget(address)
        for address, host in seen.items():
            member = self._members.get(address)
            if member is None:
                self._join(address, host, now)
            elif member.heard != host.heard:
                member.heard, member.since = host.heard, now
                if member.state is State.SILENT and self.stopped is None:
                    self.progress.say(f"{member.name} is heard of again.")
                    self._look_at(member)
            elif now - member.since > self.silence and member.state in (State.TAKING, State.ASKED):
                self._lose(member, f"has been silent for {self.silence:g} s")
                member.state = State.SILENT
        self._mind_idleness(now)

    def _join(self, address: str, host: Seen, now: float) -> None:
        slots = int(host.resources.get(SLOTS, 0))
        member = Member(address=address, name=host.name, slots=slots, heard=host.heard, since=now)
        self._members[address] = member
        if slots < 1:
            self._refuse(member, f"it offers no {SLOTS}: start it with `crashmatrix worker`")
        elif self.stopped is None:
            self._look_at(member)

    def _look_at(self, member: Member) -> None:
        member.state, member.looked = State.ASKED, None
        self._ask(member.address, pack(Look()), None)

    def _refuse(self, member: Member, why: str) -> None:
        """Exclude a host from taking cells, and say so once."""
        member.state = State.REFUSED
        self._say_once(f"{member.name} takes no cells: {why}")

    def _lose(self, member: Member, how: str) -> None:
        if member.state in (State.REFUSED, State.SILENT):
            return
        held = sum(
            isinstance(work, (Lease, Fetch)) for host, work in self._orders.values() if host == member.address
        )
        given_up = self.dispatcher.remove_host(member.address)
        for key in [key for key in self._images if key[0] == member.address]:
            del self._images[key]
        self._sent = {key for key in self._sent if key[0] != member.address}
        elsewhere = f": what it ran ({held} orders) runs elsewhere" if held and self.stopped is None else ""
        self.progress.say(f"{member.name} {how}{elsewhere}.")
        why = f"its host was lost in each of {ATTEMPTS} attempts, {member.name} last"
        self._give_up(given_up, HostError(why, hint="run it again"))
        self._pump_all()

    def _forget(self, address: str) -> None:
        for number in [number for number, (host, _) in self._orders.items() if host == address]:
            del self._orders[number]
            self.link.forget(number)

    def _strike(self, member: Member, why: str) -> None:
        """Count a failure of a host. After STRIKES in a row it takes no more cells."""
        member.strikes += 1
        if member.strikes >= STRIKES and member.state is State.TAKING:
            self._lose(member, f"failed {STRIKES} times")
            self._refuse(member, why)

    def _distrust(self, member: Member, why: str) -> None:
        """Exclude a host that gave an impossible answer; its further answers are ignored."""
        if member.state is State.TAKING:
            self._lose(member, "gave an answer that cannot be right")
        self._refuse(member, why)

    def _mind_idleness(self, now: float) -> None:
        """Stop the run if no host can run the remaining cells."""
        busy = self.dispatcher.is_busy or any(item.state is State.ASKED for item in self._members.values())
        if busy or self.stopped is not None:
            self._idle_since = None
            return
        self._idle_since = now if self._idle_since is None else self._idle_since
        if now - self._idle_since > self.patience:
            arches = sorted(self.dispatcher.waiting_arches())
            what = f"host that runs {' and '.join(arches)}" if arches else "host that takes cells"
            self._halt(f"for {self.patience:g} s there was no {what}")
