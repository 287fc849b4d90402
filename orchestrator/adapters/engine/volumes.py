"""Work volumes: what containers write to, each on a disk of a fixed size where this host can make one."""

from __future__ import annotations

__lazy_modules__ = ("docker",)

from collections.abc import Mapping
from contextlib import ExitStack, suppress
from functools import cached_property

import docker

from orchestrator.adapters.engine.calls import engine_errors, retried
from orchestrator.adapters.engine.connection import UNIX, Connection
from orchestrator.adapters.workdisk import WorkDisk, shortcoming


class Volumes(Connection):
    """The engine's volumes, each named as its container."""

    def __init__(self, client: docker.DockerClient, endpoint: str) -> None:
        super().__init__(client, endpoint)
        self._disks: dict[str, WorkDisk] = {}

    @cached_property
    def unlimited(self) -> str | None:
        """Why the size of work volumes is not limited; None where it is."""
        if not self.endpoint.startswith(UNIX):
            return "the engine may be on another machine"
        with engine_errors("asking what it is"):
            options = retried(self._api.info)().get("SecurityOptions") or ()
        if any("rootless" in option for option in options):
            return "a rootless engine cannot mount a disk"
        return shortcoming()

    def create_volume(self, name: str, size: int, labels: Mapping[str, str]) -> None:
        """Make a volume of `size` bytes. Raises HostError where there is no room for it."""
        options: dict[str, str] = {}
        if self.unlimited is None:
            disk = self._disks[name] = WorkDisk(size)
            options = disk.volume
        with engine_errors("creating a volume"):
            retried(self._api.create_volume)(
                name=name, driver="local", driver_opts=options, labels=dict(labels)
            )

    def is_full(self, name: str) -> bool:
        """Whether a volume had no room left when its container ended; False of one without a limit."""
        disk = self._disks.get(name)
        return disk is not None and disk.full

    def remove_volume(self, name: str) -> None:
        """Remove a volume, and its disk in every case."""
        with ExitStack() as stack:
            if disk := self._disks.pop(name, None):
                stack.callback(disk.close)
            with engine_errors("removing a volume"), suppress(docker.errors.NotFound):
                retried(self._api.remove_volume)(name, force=True)

    def close(self) -> None:
        """Give the disks back of volumes that could not be removed, and the connections."""
        with ExitStack() as stack:
            stack.callback(super().close)
            while self._disks:
                stack.callback(self._disks.popitem()[1].close)
