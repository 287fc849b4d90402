"""This machine as a host of a fleet: what it can do is looked up first, then it waits for orders."""

from __future__ import annotations

__lazy_modules__ = ("orchestrator.adapters",)

import os
import socket
from collections.abc import Callable
from typing import Final

from orchestrator.adapters import cluster
from orchestrator.adapters.cache import cache_folder
from orchestrator.pipeline.fleet import host
from orchestrator.pipeline.fleet.link import SLOTS
from orchestrator.pipeline.slots import AHEAD

SCRATCH: Final = "fleet-scratch"
PATIENCE: Final = 120.0
"""Seconds to wait for the scheduler, which may be started after its workers."""


def work(address: str, slots: int, say: Callable[[str], None]) -> None:
    """Take cells of runs that use a scheduler, `slots` containers at once, until that ends.

    A host that lacks something connects too, so that runs say why it takes no cells. Raises HostError.
    """
    found = host.look()
    for text in found.lacks:
        say(f"this host will take no cells: {text}")
    resources = {SLOTS: float(slots), **{arch: float(slots) for arch in found.arches}}
    name = f"{socket.gethostname()}-{os.getpid()}"
    arches = " and ".join(found.arches) or "none"
    cells = "1 cell" if slots == 1 else f"{slots} cells"
    say(f"{name}: {cells} at a time, {arches}; connecting to {address}")
    try:
        cluster.work(
            address, name=name, threads=AHEAD * slots, resources=resources,
            folder=str(cache_folder(SCRATCH)), patience=PATIENCE,
            connected=lambda: say(f"{name}: connected, waiting for orders"),
        )  # fmt: skip
    finally:
        host.close()
