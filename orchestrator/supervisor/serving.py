"""A running server with its workers: its requests, and how each of its processes ended."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

from orchestrator.supervisor import cleanup, dumps, http
from orchestrator.supervisor.clock import CLOCK
from orchestrator.supervisor.ends import Ended, Ends
from orchestrator.supervisor.load import CLOSED, Load
from orchestrator.supervisor.tested import POLL, Worker, abort, end_dump, signal_name
from orchestrator.supervisor.wakeup import TimedOutError
from orchestrator.supervisor.witness import Witness

if TYPE_CHECKING:
    from orchestrator.supervisor.manners import Manners
    from orchestrator.supervisor.plan import Plan, Request
    from orchestrator.supervisor.tested import TestedProcess
    from orchestrator.supervisor.wakeup import Wakeup

MOST_DEATHS = 5
"""The most workers with an unexpected end: a server would replace them for ever."""
GRACE = 60.0
"""Seconds beyond the time limit after which a request gives up: the limit itself ends the server."""
SETTLE = 2.0
"""Seconds that workers get to become idle again after the last answer."""
MOST_ROUNDS = 10_000
"""How often the requests are repeated until a worker has served as many as it may."""
RELOAD, MAX_REQUESTS, HARAKIRI = "reload", "max-requests", "harakiri"
"""What ends workers (model.ServerEnd)."""


CRASHES = frozenset(
    getattr(signal, f"SIG{name}")
    for name in ("SEGV", "BUS", "ABRT", "FPE", "ILL", "TRAP", "SYS", "QUIT", "XCPU")
)
"""Signals that leave a core (signal(7)), each the wait status of a process that it ended without one."""


class CrashLoopError(Exception):
    """Workers die and are replaced again and again."""


class Server:
    """A running server: `master` is the process that was started, the workers' parent or the only worker.

    Deadlines are CLOCK's.
    """

    def __init__(
        self, master: TestedProcess, port: int, manners: Manners, ends: Ends, wakeup: Wakeup
    ) -> None:
        self.master, self.port, self.manners = master, port, manners
        self.ended: list[TestedProcess] = []
        self.notes: list[str] = []
        self.odd: list[str] = []
        self.doing: dict[int, str] = {}
        """By pid, the requests during which workers ended as none should."""
        self._doing: str | None = None
        self._unanswered: str | None = None
        """The request that had no answer when the time was up."""
        self._asked: tuple[int, ...] = ()
        """The signals by which processes are asked to stop; one that is still starting dies of them."""
        self.harakiri = False
        """Whether the server is to kill a worker whose request takes too long."""
        self._ends, self._wakeup, self._bounded = ends, wakeup, True
        self._witness = Witness()

    def is_abnormal(self, process: TestedProcess) -> bool:
        """Whether a worker's end is unexpected."""
        status = process.wait_status or 0
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) in self._asked:
            return False
        if os.WIFSIGNALED(status):
            return not (self.harakiri and os.WTERMSIG(status) == signal.SIGKILL)
        as_meant = self.manners.clean | (self.manners.cut_off if self.harakiri else frozenset())
        return os.WEXITSTATUS(status) not in as_meant

    def look(self) -> None:
        """Update the running and the ended workers; raises CrashLoopError if too many died."""
        self._witness.look(self.master.pid)
        for pid, status in self._ends.new(self.master.pid):
            ended = Ended(pid, status, self.master, self._wakeup)
            self.ended.append(ended)
            if self._doing and self.is_abnormal(ended):
                self.doing[pid] = self._doing
        if self._bounded and sum(map(self.is_abnormal, self.ended)) >= MOST_DEATHS:
            self._bounded = False
            self.notes.append(f"{MOST_DEATHS} workers died one after the other; the server was stopped")
            raise CrashLoopError

    def pause(self, deadline: float) -> None:
        """Sleep for a moment, then update; raises as `TestedProcess.pause` does."""
        self.master.pause(deadline, longest=POLL)
        self.look()

    def opens(self, deadline: float) -> bool:
        """Wait until the server listens; returns False if it ended before."""
        try:
            while self.master.alive:
                self.look()
                connection = http.connect_once(self.port)
                if connection:
                    connection.close()
                    return True
                self.master.pause(deadline, longest=POLL)
        except TimedOutError:
            self.notes.append("the server did not listen on its port within the time limit")
            raise
        self.notes.append("the server ended before it listened on its port")
        return False

    def ask(self, request: Request, deadline: float) -> None:
        """Make the requests of one entry, and note what was odd about the answers."""
        load, before, self._doing = Load(request, self.port, deadline + GRACE), len(self.ended), str(request)
        try:
            while not load.done:
                self.pause(deadline)
                if not self.master.alive:
                    load.stopped = True
            if CLOSED in load.odd:
                self._await_end(min(CLOCK.now() + SETTLE, deadline), more_than=before)
        except TimedOutError:
            self.notes.append(f"{request}: not answered within the time limit")
            self._unanswered = str(request)
            raise
        finally:
            load.stopped, self._doing = True, None
            self.odd += load.notes()

    def end_workers(self, plan: Plan, deadline: float) -> None:
        """Carry out the plan's ends of workers, without its last step, the server's end."""
        if plan.end == RELOAD and self.master.alive:
            self._reload(plan, deadline)
        elif plan.end == MAX_REQUESTS:
            self._wear_out(plan, deadline)
        elif plan.end == HARAKIRI and not self._await_end(deadline - SETTLE):
            self.notes.append("no worker was ended for a request that took too long")

    def _reload(self, plan: Plan, deadline: float) -> None:
        before = {process.pid for process in self.ended}
        old = set(cleanup.children(self.master.pid))
        self.settle(deadline)
        self.master.send(signal.SIGHUP)
        while self.master.alive and not old <= before | {process.pid for process in self.ended}:
            self.pause(deadline)
        if self.opens(deadline) and plan.requests:
            self.ask(plan.requests[0]._replace(times=1), deadline)

    def _wear_out(self, plan: Plan, deadline: float) -> None:
        for _ in range(MOST_ROUNDS):
            if self.ended or not self.master.alive or not plan.requests:
                break
            for request in plan.requests:
                self.ask(request, deadline)
            self.pause(deadline)
        if not self.ended:
            self.notes.append("no worker had served as many requests as it may")

    def _await_end(self, deadline: float, more_than: int = 0) -> bool:
        """Wait until more workers have ended than so many; returns False if none did by the deadline."""
        try:
            while len(self.ended) <= more_than and self.master.alive:
                self.pause(deadline)
        except TimedOutError:
            return False
        return True

    def settle(self, deadline: float) -> None:
        """Wait until all workers are idle: a busy one ends in another way when it is stopped."""
        until = min(CLOCK.now() + SETTLE, deadline)
        try:
            while self.master.alive and not all(map(_is_idle, self._workers())):
                self.pause(until)
        except TimedOutError:
            return

    def stop(self, number: int, deadline: float) -> None:
        """Ask the server to stop, and wait for its end and for that of workers that outlive it."""
        self._asked = (signal.SIGTERM, signal.SIGINT)
        self.master.send(number)
        while self.master.alive:
            self.pause(deadline)
        self.look()
        for pid in cleanup.children(os.getpid()):
            os.kill(pid, number)
        while self._reap():
            self.master.pause(deadline, longest=POLL)

    def _reap(self) -> bool:
        """Collect the ends of processes that the server left behind; returns whether there are more."""
        while cleanup.children(os.getpid()):
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return True
            self.ended.append(Ended(pid, status, self.master, self._wakeup))
        return False

    def crashed(self) -> bool:
        """Whether a process of the server that did not answer in time has crashed: its core is being written.

        Its end is waited for.
        """
        before = len(self.ended)
        processes = [self.master.pid, *cleanup.children(self.master.pid)]
        if not (self.master.alive and any(map(dumps.dumps, processes))):
            return False
        self.notes += dumps.await_dumps()
        self._doing = self._unanswered
        try:
            self._await_end(CLOCK.now() + SETTLE, more_than=before)
        except CrashLoopError:
            return True
        return len(self.ended) > before or not self.master.alive

    def dump(self, grace: float) -> TestedProcess | None:
        """End what hangs, so that cores show where each worker waits; returns the first of them."""
        if not self.master.alive:
            return self._dump_orphans(grace)
        workers = cleanup.children(self.master.pid)
        if not workers:
            if not end_dump(self.master, self.notes):
                self.notes += abort(self.master, grace, self.master.core_signal())
            return self.master
        # Stopped, the master neither replaces its workers nor reaps them.
        self.master.send(signal.SIGSTOP)
        hung = [Worker(self.master, pid, self._wakeup) for pid in cleanup.children(self.master.pid)]
        for worker in hung:
            if not end_dump(worker, self.notes):
                self.notes += abort(worker, grace, worker.core_signal())
        self.ended += hung
        return hung[0] if hung else None

    def _dump_orphans(self, grace: float) -> TestedProcess | None:
        left = cleanup.children(os.getpid())
        for pid in left:
            os.kill(pid, signal.SIGABRT)
        deadline = CLOCK.now() + grace
        while self._reap() and (CLOCK.left(deadline) > 0 or any(map(dumps.dumps, left))):
            time.sleep(POLL)
        return next((process for process in self.ended if process.pid in left), None)

    def judged(self) -> tuple[TestedProcess, list[TestedProcess]]:
        """The trial's process, and the others in the order of their ends."""
        workers = [*self.ended, self.master]
        exited = [process for process in self.ended if os.WIFEXITED(process.wait_status or 0)]
        judged = next(filter(self.is_abnormal, workers), exited[-1] if exited else self.master)
        return judged, [process for process in workers if process is not judged]

    def check(self) -> None:
        """Use the kernel's record where the master's record of a worker's end differs.

        Add a crash without a core that the master did not record; one with a core is in the journal.
        """
        ends = self._witness.ends()
        for process in self.ended:
            said, known = process.wait_status, ends.get(process.pid)
            if said is not None and known is not None and said != known:
                process.wait_status = known
                self.notes.append(
                    f"its server said of process {process.pid} that {ending(said)}, "
                    f"the kernel that {ending(known)}"
                )
        for pid in ends.keys() - {process.pid for process in self.ended}:
            if ends[pid] in CRASHES:
                self.ended.append(Ended(pid, ends[pid], self.master, self._wakeup))

    def close(self) -> None:
        """Remove the file of ends and the workers' states once they have been read."""
        self._ends.close()
        self._witness.close()

    def _workers(self) -> list[int]:
        return cleanup.children(self.master.pid) or [self.master.pid]


def ending(wait_status: int) -> str:
    """A process's end in words."""
    if os.WIFSIGNALED(wait_status):
        return f"{signal_name(os.WTERMSIG(wait_status))} ended it"
    return f"it ended with {os.WEXITSTATUS(wait_status)}"


def _is_idle(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            return stat.read().rpartition(b")")[2].split()[0] in (b"S", b"Z")
    except OSError:
        return True
