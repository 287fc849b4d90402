"""The tested process: the process under test, from its start to its end."""

from __future__ import annotations

import math
import os
import re
import select
import signal
import socket
import time
from typing import NamedTuple

from orchestrator.supervisor.clock import CLOCK
from orchestrator.supervisor.dumps import DUMP_LIMIT, DUMP_TIME, is_dumping
from orchestrator.supervisor.spawn import spawn
from orchestrator.supervisor.wakeup import TimedOutError, Wakeup

POLL = 0.005
"""Seconds between polls of a state that sends no event: a port not yet bound, a worker not yet idle."""
ABORT_GRACE = 5.0
"""Seconds that a hung tested process gets to die of each signal before SIGKILL."""
EMULATED_GRACE = 30.0
"""The same under qemu-user, which writes its guest's core itself, so the kernel does not report it."""
CORE_SIGNALS = (signal.SIGABRT, signal.SIGQUIT, signal.SIGXCPU, signal.SIGTRAP, signal.SIGSYS)
"""Signals that make a hanging process dump its core, in the order of preference."""
TOLD = 1.0
"""Seconds of waiting for a processor from which on a note states them."""
WAITED = "the time limit leaves out {:.0f} s in which it waited for a processor"
DETACH = 17
"""PTRACE_DETACH."""


class Watched(NamedTuple):
    """The observations of a tested process until its end."""

    hung: bool
    interrupted: bool
    notes: list[str]


class Start(NamedTuple):
    """Where a command starts, and the variables that it has beside this program's own."""

    folder: str
    environment: dict[str, str]


IN_PLACE = Start(".", {})


class TestedProcess:
    """The process under test.

    `started` and `ended` are seconds of `time.monotonic`; `began` and all deadlines are CLOCK's.
    """

    def __init__(self, command: list[str], wakeup: Wakeup, start: Start = IN_PLACE) -> None:
        """Start the command; raises OSError if it cannot be started."""
        self._wakeup = wakeup
        self.folder = start.folder
        self.killed_before = oom_kills()
        self.wait_status: int | None = None
        self.began, self.started = CLOCK.now(), time.monotonic()
        self.ended = self.started
        self.pid = spawn(command, {**os.environ, **start.environment}, start.folder)

    @property
    def alive(self) -> bool:
        """Whether it is still running; reaps it if not."""
        if self.wait_status is None:
            pid, wait_status = os.waitpid(self.pid, os.WNOHANG)
            if pid and os.WIFSTOPPED(wait_status):
                untrace(pid, os.WSTOPSIG(wait_status))
            elif pid:
                self.wait_status, self.ended = wait_status, time.monotonic()
        return self.wait_status is None

    def pause(self, deadline: float, *files: socket.socket, longest: float = math.inf) -> list[socket.socket]:
        """Sleep until a file is readable, a signal arrives, or `longest` seconds have passed.

        Returns the readable files. Raises TimedOutError at the deadline, and InterruptedRunError if
        this program got SIGTERM or SIGINT.
        """
        left = min(CLOCK.left(deadline), longest)
        if left <= 0:
            raise TimedOutError
        ready, _, _ = select.select([self._wakeup.socket, *files], [], [], left)
        if self._wakeup.socket in ready:
            self._wakeup.check()
        return [file for file in files if file in ready]

    def waited(self) -> list[str]:
        """A note where its limit passes later than on the wall."""
        seconds = time.monotonic() - self.started - (CLOCK.now() - self.began)
        return [WAITED.format(seconds)] if seconds >= TOLD else []

    def join(self, deadline: float) -> None:
        """Wait for its end; raises as `pause` does."""
        while self.alive:
            self.pause(deadline)

    def send(self, number: int) -> None:
        """Send it a signal unless it has ended, since its pid may belong to another process by then."""
        if self.alive:
            os.kill(self.pid, number)

    def is_idle(self) -> bool:
        """Whether its main thread sleeps in the kernel."""
        with open(f"/proc/{self.pid}/stat", "rb") as stat:
            return stat.read().rpartition(b")")[2].split()[0] == b"S"

    def core_signal(self) -> int:
        """A signal whose default action leaves a core, and that the process neither catches nor ignores.

        SIGABRT, if it can be: gunicorn's workers end by sys.exit() instead.
        """
        with open(f"/proc/{self.pid}/status", "rb") as status:
            masks = re.findall(rb"^Sig(?:Blk|Ign|Cgt):\s*([0-9a-f]+)", status.read(), re.MULTILINE)
        taken = int(masks[0], 16) | int(masks[1], 16) | int(masks[2], 16)
        free = (number for number in CORE_SIGNALS if not taken >> (number - 1) & 1)
        return next(free, signal.SIGABRT)

    def was_out_of_memory(self) -> bool:
        """Whether the kernel killed a process of this container for its memory limit since the start."""
        return oom_kills() > self.killed_before

    def is_dumping(self) -> bool:
        """Whether its core is being written now."""
        return is_dumping(self.pid)


def finish(tested: TestedProcess, deadline: float) -> bool:
    """Wait for a signalled tested process to end, until the deadline at most; returns whether it ended."""
    try:
        tested.join(deadline)
    except TimedOutError:
        return False
    return True


def end_dump(tested: TestedProcess, notes: list[str]) -> bool:
    """Wait while the process's core is written; returns whether one was: then it has crashed.

    One that takes too long is cut, with a note.
    """
    if not (tested.alive and tested.is_dumping()):
        return False
    with DUMP_TIME as deadline:
        whole = finish(tested, deadline)
    if not whole:
        kill(tested)
        notes.append(f"its core was still being written after {DUMP_LIMIT:g} s and was cut")
    return True


def kill(tested: TestedProcess) -> None:
    """Kill the tested process and wait for its end."""
    tested.send(signal.SIGKILL)
    while tested.alive:
        time.sleep(POLL)


def abort(tested: TestedProcess, grace: float, number: int = signal.SIGABRT) -> list[str]:
    """End a hung tested process by a signal, so that a core shows where each thread waits; returns notes.

    SIGABRT comes first, also where it is caught: faulthandler writes the Python stacks and lets it kill.
    Where the process survives it, a signal follows that it neither catches nor ignores.
    """
    notes: list[str] = []
    if ends_by(tested, number, grace, notes):
        return notes
    other = tested.core_signal()
    if other != number:
        said = f"did not die of {signal_name(number)}: {signal_name(other)} followed"
        notes.append(f"the hung tested process {said}")
        if ends_by(tested, other, grace, notes):
            return notes
    kill(tested)
    died = f"the hung tested process did not die of {signal_name(other)} within {grace:g} s and was killed"
    return [*notes, died]


def ends_by(tested: TestedProcess, number: int, grace: float, notes: list[str]) -> bool:
    """Whether a signal ends the process within `grace` seconds, or has it dump a core."""
    tested.send(number)
    return finish(tested, CLOCK.now() + grace) or end_dump(tested, notes)


def untrace(pid: int, number: int) -> None:
    """Continue a process that made this program its tracer (PTRACE_TRACEME) and was stopped by a signal.

    It gets the signal; without a tracer to ask by (ctypes) it is killed.
    """
    try:
        import ctypes
    except ImportError:
        os.kill(pid, signal.SIGKILL)
        return
    trace = ctypes.CDLL(None).ptrace
    trace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    trace(DETACH, pid, None, number)


class Worker(TestedProcess):
    """A tested process that is a child of a server's master, and that only the master can wait for.

    The master is stopped meanwhile, so the worker stays a zombie, and /proc has its wait status.
    """

    def __init__(self, master: TestedProcess, pid: int, wakeup: Wakeup) -> None:
        """Follow the worker `pid`, and stop its master."""
        self.master, self.folder = master, master.folder
        self.pid, self.began = pid, master.began
        self.started = self.ended = master.started
        self.wait_status = None
        self._wakeup, self.killed_before = wakeup, master.killed_before
        master.send(signal.SIGSTOP)

    @property
    def alive(self) -> bool:
        """Whether it is not a zombie yet."""
        if self.wait_status is None:
            with open(f"/proc/{self.pid}/stat", "rb") as stat:
                fields = stat.read().rpartition(b")")[2].split()
            if fields[0] == b"Z":
                # Field 52 of proc(5), counted from the third here.
                self.wait_status, self.ended = int(fields[49]), time.monotonic()
        return self.wait_status is None

    def join(self, deadline: float) -> None:
        """Wait for its end by polling, since its SIGCHLD goes to the master."""
        while self.alive:
            self.pause(deadline, longest=POLL)


def oom_kills() -> int:
    """The number of processes of this container that the kernel killed for its memory limit.

    Read from cgroup v2, then v1. Not every engine reports it: Podman 4.3 does not through Docker's API.
    """
    for path in ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"):
        try:
            with open(path, encoding="ascii") as counters:
                found = dict(line.split() for line in counters)
        except OSError:
            continue
        return int(found.get("oom_kill", "0"))
    return 0


def signal_name(number: int) -> str:
    """SIGSEGV for 11; real-time signals between the named ones keep their number."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"
