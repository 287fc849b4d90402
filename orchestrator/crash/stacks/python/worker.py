"""The process that runs script.py: started before there is a core for it, since that takes most of its time.

One process reads one core, so that what a hostile core does to it ends with it. At most one waits.
"""

import atexit
import json
import sys
import threading
from pathlib import Path
from typing import Final

from orchestrator.adapters.process import Completed, Prepared
from orchestrator.crash.stacks.limits import MAX_ANSWER, most_memory

SCRIPT: Final = Path(__file__).with_name("script.py")
TIMEOUT: Final = 60
"""Seconds; a core of seven threads takes 0.01."""
MAX_FRAMES: Final = 256
HINT: Final = "the other backends are not affected"


class Workers:
    """Starts a process ahead, and hands it the next core."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: Prepared | None = None

    def prepare(self) -> None:
        """Have a process waiting; raises ToolError where none can be started."""
        with self._lock:
            if self._waiting is None:
                self._waiting = _start()

    def read(self, core: Path, program: Path, folders: str) -> Completed:
        """Read a core; raises ToolError where the process cannot be started or takes too long."""
        order = {
            "core": str(core), "program": str(program), "folders": folders, "frames": MAX_FRAMES,
            "memory": most_memory(core), "written": MAX_ANSWER,
        }  # fmt: skip
        with self._lock:
            process, self._waiting = self._waiting or _start(), None
        return process.finish(f"{json.dumps(order)}\n".encode(), hint=HINT, timeout=TIMEOUT)

    def end(self) -> None:
        """End the process that waits, if one does."""
        with self._lock:
            process, self._waiting = self._waiting, None
        if process:
            process.end()


def _start() -> Prepared:
    return Prepared([sys.executable, "-I", str(SCRIPT)], hint=HINT)


WORKERS: Final = Workers()
atexit.register(WORKERS.end)
