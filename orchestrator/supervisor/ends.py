"""How each worker of a server ended, as its master saw it; nobody else can wait for workers.

uWSGI and gunicorn are started so that their waitpid() records what it reaps (launchers/uwsgi/ends.c,
launchers/gunicorn/master.py): a line "WAITER PID STATUS" of the file that VARIABLE names. The master belongs
to the program under test, so the record is that program's own claim. It may not change afterwards: if the
file is replaced or truncated, which a worker could do to hide its end, the trial ends.
"""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING

from orchestrator.supervisor.paths import REPORT_FOLDER
from orchestrator.supervisor.tested import TestedProcess

if TYPE_CHECKING:
    from orchestrator.supervisor.wakeup import Wakeup

VARIABLE = "CRASHMATRIX_ENDS"
NAME = "ends"
LONGEST = 1 << 20
"""Bytes that are read of the file; no useful server reaps that many children."""
LINE = re.compile(rb"(\d{1,9}) (\d{1,9}) (\d{1,5})")


class Ended(TestedProcess):
    """A process that has ended, as its parent saw it."""

    def __init__(
        self, pid: int, wait_status: int, master: TestedProcess, wakeup: Wakeup | None = None
    ) -> None:
        self.pid, self.wait_status, self.folder = pid, wait_status, master.folder
        self.started, self.ended, self.killed_before = master.started, time.monotonic(), master.killed_before
        if wakeup:
            self._wakeup = wakeup


class ForgedError(Exception):
    """The program under test changed its earlier record."""


class Ends:
    """The file of one server's ends. It is made anew for each trial."""

    def __init__(self) -> None:
        os.makedirs(REPORT_FOLDER, exist_ok=True)
        self.path = os.path.abspath(os.path.join(REPORT_FOLDER, NAME))
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o644)
        self._read = b""

    def new(self, master: int) -> list[tuple[int, int]]:
        """The pid and the wait status of each process that the master reaped since the last call.

        Raises ForgedError if the file was replaced, or lacks earlier content.
        """
        data = os.pread(self._file, LONGEST, 0)
        if not (self._is_there() and data.startswith(self._read)):
            raise ForgedError("the program under test changed the record of how its workers ended")
        whole = data[len(self._read) : data.rfind(b"\n") + 1]
        self._read += whole
        lines = filter(None, (LINE.fullmatch(line) for line in whole.split(b"\n")))
        seen = [(int(line[1]), int(line[2]), int(line[3])) for line in lines]
        return [(pid, status) for waiter, pid, status in seen if waiter == master and pid > 0]

    def _is_there(self) -> bool:
        """Whether masters still open this file by its name."""
        try:
            return os.path.samestat(os.lstat(self.path), os.fstat(self._file))
        except OSError:
            return False

    def close(self) -> None:
        """Remove the file, which the report does not need any more."""
        os.close(self._file)
        os.unlink(self.path)
