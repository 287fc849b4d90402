"""Run one subject inside a trial's container and write down how it ended.

The subject is `python3 DRIVER` or a uWSGI server that serves DRIVER. It is this program's own child,
because an exit status alone proves little: only the parent sees the signal and the core flag of its
wait status. The subject inherits stdout and stderr; this program writes to neither unless it fails itself.

It uses the standard library of Python 3.8 only and runs under whichever interpreter the image brings.
It writes `.crashmatrix/fate.json` in the working directory and then ends with 0, whatever the fate.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import select
import signal
import socket
import sys
import time

HOME = os.path.dirname(os.path.abspath(__file__))
FATE = os.path.join(".crashmatrix", "fate.json")
SCHEMA = 1

POLL = 0.005
"""Seconds between looks at what sends no event: a port that is not yet bound, a worker not yet idle."""
ABORT_GRACE = 5.0
"""Seconds that a hung subject gets to die of SIGABRT before SIGKILL."""
DUMP_GRACE = 60.0
"""Seconds that the kernel gets to write a core; SIGKILL would cut it short."""


class TimedOutError(Exception):
    """The deadline passed while the subject was still running."""


class InterruptedRunError(Exception):
    """This program was told to stop."""


class Subject:
    """The process under question. Times are `time.monotonic` seconds."""

    def __init__(self, command: list[str]) -> None:
        """Start the command; raises OSError where it cannot be started."""
        self._wakeup, writer = socket.socketpair()
        writer.setblocking(False)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        self._writer = writer  # kept: a collected socket would close the descriptor
        signal.set_wakeup_fd(writer.fileno())
        self.wait_status: int | None = None
        self.started = self.ended = time.monotonic()
        # Python ignores SIGPIPE and SIGXFSZ, and a child would inherit that.
        defaults = [signal.SIGPIPE, signal.SIGXFSZ]
        self.pid = os.posix_spawnp(command[0], command, os.environ, setsigdef=defaults)

    @property
    def alive(self) -> bool:
        """Whether it has not ended; reaps it where it has."""
        if self.wait_status is None:
            pid, wait_status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.wait_status, self.ended = wait_status, time.monotonic()
        return self.wait_status is None

    def pause(self, deadline: float, *files: socket.socket, longest: float = math.inf) -> list[socket.socket]:
        """Sleep until a file is readable, a signal comes, or `longest` seconds went by.

        Returns the readable files. Raises TimedOutError at the deadline, and InterruptedRunError where
        this program got SIGTERM or SIGINT.
        """
        left = min(deadline - time.monotonic(), longest)
        if left <= 0:
            raise TimedOutError
        ready, _, _ = select.select([self._wakeup, *files], [], [], left)
        if self._wakeup in ready and set(self._wakeup.recv(64)) & {signal.SIGTERM, signal.SIGINT}:
            raise InterruptedRunError
        return [file for file in files if file in ready]

    def join(self, deadline: float) -> None:
        """Wait for its end; raises as `pause` does."""
        while self.alive:
            self.pause(deadline)

    def send(self, number: int) -> None:
        """Send it a signal; one that has ended gets none, since its pid may be another's by now."""
        if self.alive:
            os.kill(self.pid, number)

    def is_idle(self) -> bool:
        """Whether its main thread sleeps in the kernel."""
        with open(f"/proc/{self.pid}/stat", "rb") as stat:
            return stat.read().rpartition(b")")[2].split()[0] == b"S"

    def is_dumping(self) -> bool:
        """Whether the kernel is writing its core right now (Linux 4.15 and later say so)."""
        with open(f"/proc/{self.pid}/status", "rb") as status:
            return b"CoreDumping:\t1" in status.read()


def free_port() -> int:
    """A TCP port of the loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def uwsgi_command(driver: str, port: int) -> list[str]:
    """One uWSGI process without a master: the master's exit status is 0 even when its worker crashed.

    uWSGI's own SIGSEGV handler ends the process without a core; `--use-abort` makes it leave one.
    """
    return [
        os.path.join(HOME, "bin", "uwsgi"), "--http-socket", f"127.0.0.1:{port}", "--wsgi-file", driver,
        "--need-app", "--enable-threads", "--die-on-term", "--use-abort",
    ]  # fmt: skip


def connect(subject: Subject, port: int, deadline: float) -> socket.socket | None:
    """A connection to the server, as soon as it listens; None where it ended before."""
    while subject.alive:
        connection = socket.socket()
        if connection.connect_ex(("127.0.0.1", port)) == 0:
            return connection
        connection.close()
        subject.pause(deadline, longest=POLL)
    return None


def request(subject: Subject, port: int, deadline: float) -> str:
    """Make one HTTP request; returns the first line of the answer, empty where none came."""
    connection = connect(subject, port, deadline)
    if connection is None:
        return ""
    answer = b""
    with connection:
        try:
            connection.sendall(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
            while True:
                if connection not in subject.pause(deadline, connection):
                    continue
                piece = connection.recv(65536)
                if not piece:
                    break
                answer += piece
        except ConnectionError:  # the server died; its fate tells
            pass
    return answer.partition(b"\r\n")[0].decode("latin-1")


def visit(subject: Subject, port: int, deadline: float) -> list[str]:
    """Have the server serve one request, then tell it to stop; returns notes on what was odd.

    uWSGI closes the connection before it marks its worker as idle, and a busy worker that is told to
    stop does not finalize Python at all. So wait until it sleeps again, which is in `epoll_wait`.
    """
    line = request(subject, port, deadline)
    while subject.alive and not subject.is_idle():
        subject.pause(deadline, longest=POLL)
    subject.send(signal.SIGTERM)
    return [] if " 200 " in f"{line} " else [f"the server's answer was {line!r}, not 200"]


def finish(subject: Subject, deadline: float) -> bool:
    """Wait for the end of a subject that has been signalled, at most until the deadline; says if it came."""
    try:
        subject.join(deadline)
    except TimedOutError:
        return False
    return True


def end_dump(subject: Subject) -> bool:
    """Let a core that is being written be written; says whether the subject ended by that."""
    return subject.alive and subject.is_dumping() and finish(subject, time.monotonic() + DUMP_GRACE)


def kill(subject: Subject) -> None:
    """End the subject, whatever it does."""
    subject.send(signal.SIGKILL)
    while subject.alive:
        time.sleep(POLL)


def abort(subject: Subject) -> list[str]:
    """End a hung subject by SIGABRT, so that a core shows where each thread waits; returns notes."""
    subject.send(signal.SIGABRT)
    if finish(subject, time.monotonic() + ABORT_GRACE) or end_dump(subject):
        return []
    kill(subject)
    return [f"the hung subject did not die of SIGABRT within {ABORT_GRACE:g} s and was killed"]


def watch(subject: Subject, launcher: str, port: int, timeout: float) -> tuple[bool, bool, list[str]]:
    """Follow the subject to its end; returns whether it hung, whether we were interrupted, and notes."""
    deadline = subject.started + timeout
    notes = []
    try:
        try:
            if launcher == "uwsgi":
                notes += visit(subject, port, deadline)
            subject.join(deadline)
        except TimedOutError:
            # One that crashed just before the deadline, and whose core is being written, did not hang.
            hung = subject.alive and not end_dump(subject)
            if hung:
                notes += abort(subject)
            return hung, False, notes
    except InterruptedRunError:
        kill(subject)
        return False, True, notes
    return False, False, notes


def versions() -> dict[str, str]:
    """The exact versions of this interpreter and of the C library that it runs on."""
    found = {"python": platform.python_version()}
    name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    return {**found, "glibc": version} if name == "glibc" else found


def describe(subject: Subject, hung: bool, interrupted: bool, notes: list[str]) -> dict[str, object]:
    """The fate of a subject that has ended, as fate.json holds it."""
    wait_status = subject.wait_status
    if wait_status is None:
        raise ValueError("a subject that has not ended has no fate")
    signalled = os.WIFSIGNALED(wait_status)
    kind = "hang" if hung else "signal" if signalled else "exit"
    if kind == "signal" and os.WTERMSIG(wait_status) == signal.SIGKILL and was_out_of_memory():
        kind = "oom"
    return {
        "schema": SCHEMA,
        "pid": subject.pid,
        "kind": kind,
        "status": None if signalled else os.WEXITSTATUS(wait_status),
        "signal": signal_name(os.WTERMSIG(wait_status)) if signalled else None,
        "core_dumped": os.WCOREDUMP(wait_status),
        "interrupted": interrupted,
        "seconds": round(subject.ended - subject.started, 3),
        "versions": versions(),
        "notes": notes,
    }


def was_out_of_memory() -> bool:
    """Whether the kernel killed a process of this container for its memory limit (cgroup v2, then v1).

    Not every engine says so itself: Podman 4.3 does not through Docker's API.
    """
    for path in ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"):
        try:
            with open(path, encoding="ascii") as counters:
                found = dict(line.split() for line in counters)
        except OSError:
            continue
        return int(found.get("oom_kill", "0")) > 0
    return False


def signal_name(number: int) -> str:
    """SIGSEGV for 11; real-time signals between the named ones keep their number."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"


def write(fate: dict[str, object]) -> None:
    """Write fate.json so that it is there whole or not at all."""
    os.makedirs(os.path.dirname(FATE), exist_ok=True)
    partial = f"{FATE}.partial"
    with open(partial, "w", encoding="utf-8") as file:
        json.dump(fate, file)
    os.replace(partial, FATE)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Run one subject and write .crashmatrix/fate.json.")
    parser.add_argument("--launcher", choices=("plain", "uwsgi"), required=True)
    parser.add_argument("--driver", required=True, help="a file in the scenario folder beside this program")
    parser.add_argument(
        "--timeout", type=float, required=True, help="seconds from the subject's start to its end"
    )
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run the subject and write its fate; returns this program's exit status."""
    options = parse(arguments)
    driver = os.path.join(HOME, "scenario", options.driver)
    port = free_port() if options.launcher == "uwsgi" else 0
    command = uwsgi_command(driver, port) if options.launcher == "uwsgi" else ["python3", driver]
    try:
        subject = Subject(command)
    except OSError as error:
        print(f"supervisor: cannot start {command[0]}: {error.strerror}", file=sys.stderr)
        return 1
    write(describe(subject, *watch(subject, options.launcher, port, options.timeout)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
