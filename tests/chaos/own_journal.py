"""A journal and a store of cores in a mount namespace, which can be filled, as the host's cannot.

`python -m tests.chaos.own_journal` does it. The kernel hands cores to the host's collector, whatever the
namespace that they come from. So `cores` starts a collector as the kernel does, with a process's pid and a
core, and prints in JSON what this program then finds; `run` runs a command that reads a full journal.
Needs root.
"""

import itertools
import json
import logging
import logging.handlers
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from orchestrator.cores import collect
from orchestrator.cores.collection import STORE
from orchestrator.model import CoreState, Outcome, OutcomeKind

MODULE: Final = "tests.chaos.own_journal"
NAMESPACE: Final = ("unshare", "--mount", "--propagation=private")
SYSTEMD: Final = Path("/usr/lib/systemd")
RUN: Final = Path("/run/systemd")
LOG: Final = Path("/run/log")
PERSISTENT: Final = Path("/var/log/journal")
JOURNALD: Final = "[Journal]\nStorage=volatile\nRateLimitIntervalSec=0\n"
COREDUMP: Final = "[Coredump]\nKeepFree=0\n"
LITTLE: Final = "MaxUse=1M\n"
"""Less than a core has: systemd-coredump deletes all but the newest."""
CORE: Final = 3 << 20
"""Bytes of a core, at random, so that they stay as many when they are compressed."""
ENTRY: Final = "x" * 1000
LOST_IN_A_ROW: Final = 50
"""Entries that are lost until the journal counts as full: it has some room in its files."""
MOMENTS: Final = itertools.count(int(time.time()))
"""A second for each core, which its file is named by."""
WAIT: Final = 60
"""Seconds for a socket, and for an entry of the journal."""
DEADLINE: Final = 5.0
"""Seconds that this program waits for an entry that does not come."""


def main() -> int:
    """Print what was found of cores, or run a command; returns its exit status."""
    what, *rest = sys.argv[1:]
    with _collector():
        if what == "run":
            fill()
            return subprocess.run(rest, check=False).returncode
        pid, container, hostname = rest
        sys.stdout.write(json.dumps(_cases(int(pid), container, hostname)))
        return 0


@contextmanager
def _collector() -> Iterator[None]:
    """journald and the socket of systemd-coredump, with folders that nobody else sees."""
    for place, size in ((RUN, "16m"), (LOG, "32m"), (Path(STORE), "256m"), (PERSISTENT, "1m")):
        if place.is_dir():
            _call("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place))
    for place in (RUN / "journal", RUN / "journald.conf.d", RUN / "coredump.conf.d", LOG / "journal"):
        place.mkdir()
    (RUN / "journald.conf.d/own.conf").write_text(JOURNALD)
    _limit("")
    socket = RUN / "coredump"
    activate = ("systemd-socket-activate", "--accept", "--seqpacket", "-l", str(socket))
    started = [
        subprocess.Popen(command, stderr=subprocess.DEVNULL)
        for command in ((_program("systemd-journald"),), (*activate, _program("systemd-coredump")))
    ]
    try:
        _await(lambda: (RUN / "journal/dev-log").exists() and socket.exists())
        yield
    finally:
        for process in started:
            process.terminate()
            process.wait()


def fill() -> None:
    """Leave the journal no room: on its disk, and in the files that it has."""
    with suppress(OSError), (LOG / "filler").open("wb", buffering=0) as filler:
        while True:
            filler.write(bytes(1 << 16))
    lost = 0
    while lost < LOST_IN_A_ROW:
        lost = 0 if _takes(ENTRY) else lost + 1


def _takes(text: str) -> bool:
    """Whether the journal takes an entry: it answers a wish to be written out once it has read all before."""
    handler = logging.handlers.SysLogHandler(str(RUN / "journal/dev-log"))
    mark = os.urandom(8).hex()
    logging.Logger("chaos").addHandler(handler)
    handler.emit(logging.makeLogRecord({"msg": f"{mark} {text}"}))
    handler.close()
    _call("journalctl", "--sync")
    found = _call("journalctl", "--quiet", "--output=cat", "--lines=5")
    return mark in found


def _cases(pid: int, container: str, hostname: str) -> dict[str, str]:
    """What is found of a core in a journal with room, in a full one, and so on."""

    def found(name: str) -> str:
        return _found(pid, container, f"{hostname}-{name}")

    def crash(name: str) -> None:
        _crash(pid, f"{hostname}-{name}")

    said: dict[str, str] = {}
    crash("room")
    said["room"] = found("room")
    _limit(LITTLE)
    crash("deleted")
    crash("newer")
    said["deleted"], said["newer"] = found("deleted"), found("newer")
    _limit("")
    fill()
    crash("full")
    said["full"] = found("full")
    (LOG / "filler").unlink()
    crash("again")
    said["again"] = found("again")
    return said


def _crash(pid: int, hostname: str) -> None:
    """Start systemd-coredump as the kernel does (core(5)), for a process that is there."""
    unlimited = (1 << 63) - 1
    words = (pid, 1000, 1000, 11, next(MOMENTS), unlimited, hostname, 1)
    command = (_program("systemd-coredump"), *map(str, words))
    subprocess.run(command, input=os.urandom(CORE), check=True, stderr=subprocess.DEVNULL)
    _call("journalctl", "--sync")


def _found(pid: int, container: str, hostname: str) -> str:
    """The state in which this program finds the core, with its note."""
    outcome = Outcome(
        kind=OutcomeKind.SIGNAL, signal="SIGSEGV", core_dumped=True, pid=_inside(pid), seconds=1.0,
        started=datetime.now(UTC).isoformat(), container=container, hostname=hostname, stdout="", stderr="",
    )  # fmt: skip
    with TemporaryDirectory(dir="/dev/shm") as name:
        core = collect(outcome, folder=Path(name), root=Path(name), deadline=DEADLINE)
    return core.state if core.state is CoreState.FOUND else f"{core.state}: {core.note}"


def _inside(pid: int) -> int:
    """The pid of a process in its own namespace."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("NSpid:")).split()[-1])


def _limit(text: str) -> None:
    (RUN / "coredump.conf.d/own.conf").write_text(COREDUMP + text)


def _await(ready: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError("journald or the socket of systemd-coredump does not start")
        time.sleep(0.05)


def _program(name: str) -> str:
    return str(SYSTEMD / name)


def _call(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def command(*words: str) -> tuple[str, ...]:
    """The command that does this in a namespace."""
    return (*NAMESPACE, sys.executable, "-m", MODULE, *words)


if __name__ == "__main__":
    sys.exit(main())
