"""The log of the pytest plugin, read while pytest processes start, die and are started again."""

from __future__ import annotations

import glob
import json
import os
import stat
from contextlib import suppress

START, END = "the start of pytest", "the end of pytest"
"""What a process was doing before its first module, and after its last test."""
BETWEEN = "pytest itself, between two tests"
LONGEST = 32 << 20
"""Bytes that are read of a log; the host reads as many."""


class PytestLog:
    """What each process of pytest was doing, by its pid, and the tests that have run.

    `folder` is that of the supervisor's report. Each trial of a container has a log of its own.
    """

    def __init__(self, folder: str) -> None:
        number = len(glob.glob(os.path.join(folder, "tests-*")))
        self.name = f"tests-{number}.jsonl"
        self.path = os.path.abspath(os.path.join(folder, self.name))
        self.skip_path = os.path.abspath(os.path.join(folder, f"skip-{number}.json"))
        self.done: dict[str, None] = {}
        """Tests that ended or during which their process died, in that order."""
        self.modules: dict[str, None] = {}
        """Modules during whose collection a process died."""
        self.selected: int | None = None
        self.cut_off: dict[int, str] = {}
        """Tests during which a process ended, by its pid."""
        self.capture = ""
        """How pytest captures output: fd, sys, no, tee-sys."""
        self._running: dict[int, str] = {}
        self._collecting: dict[int, str] = {}
        self._at: dict[int, str] = {}
        self._finished: set[int] = set()
        self._read = 0

    def update(self) -> None:
        """Read what was appended since the last time; a line that is not the plugin's is left out."""
        lines = self._rest().split(b"\n")
        self._read += sum(len(line) + 1 for line in lines[:-1])
        for line in lines[:-1]:
            with suppress(ValueError, TypeError, KeyError, AttributeError, RecursionError):
                self._take(json.loads(line))

    def _rest(self) -> bytes:
        """The new part of the file; empty if the tests replaced it."""
        try:
            file = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return b""
        with open(file, "rb") as log:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                return b""
            log.seek(self._read)
            return log.read(max(0, LONGEST - self._read))

    def _take(self, event: dict[str, object]) -> None:
        kind, pid, node = event["event"], int(str(event["pid"])), str(event.get("node", ""))
        if kind == "process":
            self._at[pid] = START
            self.capture = str(event.get("capture", ""))
        elif kind == "collecting":
            self._collecting[pid] = node
        elif kind == "collected":
            self._collecting.pop(pid, None)
            self._at[pid] = BETWEEN
        elif kind == "start":
            self._running[pid] = node
        elif kind == "end":
            self._running.pop(pid, None)
            self.done.setdefault(node)
        elif kind == "lost":
            self.cut_off.update({worker: test for worker, test in self._running.items() if test == node})
            self.done.setdefault(node)
        elif kind == "selected" and self.selected is None:
            self.selected = int(str(event["count"]))
        elif kind == "finish":
            self._finished.add(pid)

    def doing(self, pid: int) -> str:
        """What a process was doing, by its last line: a test's node id, or words."""
        if pid in self._running:
            return self._running[pid]
        if pid in self._collecting:
            return f"the collection of {self._collecting[pid]}"
        return END if pid in self._finished else self._at.get(pid, START)

    def is_at_one(self, pid: int) -> bool:
        """Whether a test or the collection of a module has not ended in a process, nor has pytest."""
        return pid not in self._finished and (pid in self._running or pid in self._collecting)

    def pass_over(self, pid: int) -> bool:
        """Count the test or module during which a process died as done; returns whether it is a new one."""
        test, module = self._running.pop(pid, None), self._collecting.pop(pid, None)
        if test is not None:
            self.cut_off[pid] = test
            new, _ = test not in self.done, self.done.setdefault(test)
            return new
        if module is not None:
            new, _ = module not in self.modules, self.modules.setdefault(module)
            return new
        return False

    @property
    def left(self) -> int | None:
        """The number of tests that did not run; None if unknown."""
        return None if self.selected is None or self.modules else max(0, self.selected - len(self.done))

    def write_skip(self) -> None:
        """Write what the next process leaves out, into a new file, whatever the tests put in its place."""
        with suppress(FileNotFoundError):
            os.unlink(self.skip_path)
        with open(self.skip_path, "x", encoding="utf-8") as file:
            json.dump({"tests": list(self.done), "modules": list(self.modules)}, file)
