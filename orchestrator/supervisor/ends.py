"""How a server's master saw each of its workers end, which nobody else can wait for.

uWSGI and gunicorn are started so that their waitpid() records what it reaps (launchers/uwsgi/ends.c,
launchers/gunicorn/master.py): a line "WAITER PID STATUS" of the file that VARIABLE names. Such a file is the
program's own to write, so it is no more to be trusted than its exit status.
"""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING

from orchestrator.supervisor.paths import REPORT_FOLDER
from orchestrator.supervisor.subject import Subject

if TYPE_CHECKING:
    from orchestrator.supervisor.subject import Wakeup

VARIABLE = "CRASHMATRIX_ENDS"
NAME = "ends"
LONGEST = 1 << 20
"""Bytes that are read of the file; a server that has reaped that many children is of no use."""
LINE = re.compile(rb"(\d{1,9}) (\d{1,9}) (\d{1,5})")


class Ended(Subject):
    """A process that has ended, as its parent saw it."""

    def __init__(self, pid: int, wait_status: int, master: Subject, wakeup: Wakeup | None = None) -> None:
        self.pid, self.wait_status, self.folder = pid, wait_status, master.folder
        self.started, self.ended, self.killed_before = master.started, time.monotonic(), master.killed_before
        if wakeup:
            self._wakeup = wakeup


class Ends:
    """The file of one server's ends. It is made anew for each trial."""

    def __init__(self) -> None:
        os.makedirs(REPORT_FOLDER, exist_ok=True)
        self.path = os.path.abspath(os.path.join(REPORT_FOLDER, NAME))
        with open(self.path, "wb"):
            pass
        self._read = 0

    def new(self, master: int) -> list[tuple[int, int]]:
        """The pid and the wait status of each process that the master reaped since the last call."""
        with open(self.path, "rb") as file:
            file.seek(self._read)
            data = file.read(LONGEST - self._read)
        whole = data[: data.rfind(b"\n") + 1]
        self._read += len(whole)
        lines = filter(None, (LINE.fullmatch(line) for line in whole.split(b"\n")))
        seen = [(int(line[1]), int(line[2]), int(line[3])) for line in lines]
        return [(pid, status) for waiter, pid, status in seen if waiter == master and pid > 0]

    def close(self) -> None:
        """Remove the file, which the report does not need any more."""
        os.unlink(self.path)
