"""Containers and volumes that a killed run left: found by their labels, removed by the next run."""

import os
import socket
from pathlib import Path
from typing import Final

from orchestrator.adapters.engine import Engine
from orchestrator.adapters.workdisk import close_dead
from orchestrator.model import LABEL, LABEL_CELL, LABEL_RUN, Cell

LABEL_OWNER: Final = "org.crashmatrix.owner"
"""Host, process id and start time of the process that made a container; process ids are reused."""


def owner_labels(run: str, cell: Cell, number: int) -> dict[str, str]:
    """The labels of one trial's container and volume."""
    return {
        LABEL: "trial",
        LABEL_RUN: run,
        LABEL_CELL: f"{cell.id}#{number}",
        LABEL_OWNER: _owner(os.getpid()) or "",
    }


def remove_leftovers(engine: Engine) -> int:
    """Remove containers and volumes whose process on this host is gone; returns how many.

    Also volumes without labels, since an engine that died while it made them forgot whose they are, and what
    it was building.
    """
    removed = sum(
        engine.reap(LABEL_OWNER, owner) for owner in engine.label_values(LABEL_OWNER) if _is_gone(owner)
    )
    removed += engine.remove_unlabelled() + engine.remove_dead_builds()
    close_dead()  # after the containers that had them mounted
    return removed


def remove_own(engine: Engine) -> int:
    """Remove what this process made and has not removed; returns how many carried a label.

    Not by the run's name: runs of two projects that begin in one second have the same.
    """
    engine.settle()
    removed = engine.reap(LABEL_OWNER, _owner(os.getpid()) or "none")
    engine.discard_all()
    return removed + engine.remove_dead_builds()


def _owner(pid: int) -> str | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # Field 22 is the start time; the command name before it may hold spaces and brackets.
    start = stat.rpartition(")")[2].split()[19]
    return f"{socket.gethostname()}:{pid}:{start}"


def _is_gone(owner: str) -> bool:
    """Whether the owner was a process of this host and has ended; unknown for another host's."""
    host, _, rest = owner.partition(":")
    pid = rest.partition(":")[0]
    return host == socket.gethostname() and pid.isdigit() and _owner(int(pid)) != owner
