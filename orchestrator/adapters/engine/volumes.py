"""Volumes: what containers write to. A work volume lies on a disk of fixed size where this host can make one.

The engine never chooses a name: an engine that dies while it makes a container keeps its volumes without
their labels (seen on Docker 20.10), and then only the names tell whose they are.
"""

from __future__ import annotations

__lazy_modules__ = ("docker",)

import posixpath
import re
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from functools import cached_property
from pathlib import Path
from typing import Final

import docker

from orchestrator.adapters.engine.calls import ENGINE_HINT, engine_errors, once_free, retried
from orchestrator.adapters.engine.connection import UNIX, Connection
from orchestrator.adapters.inside import open_regular
from orchestrator.adapters.workdisk import WorkDisk, shortcoming
from orchestrator.errors import EngineError, InputError

OWN_NAME: Final = re.compile(r"cm-[0-9a-f]{12}(?:-[1-9][0-9]*)?")
"""The name of a container, or of a further volume of one."""


class Volumes(Connection):
    """The engine's volumes, each named as its container, further ones with a number behind."""

    def __init__(self, client: docker.DockerClient, endpoint: str) -> None:
        super().__init__(client, endpoint)
        self._disks: dict[str, WorkDisk] = {}
        self._declared: dict[str, frozenset[str]] = {}
        self._places: dict[str, Path] = {}
        """By the names of volumes, where the engine has them on its machine."""

    @cached_property
    def unlimited(self) -> str | None:
        """Why the size of work volumes is not limited; None where it is."""
        if not self.endpoint.startswith(UNIX):
            return "the engine may be on another machine"
        if any("rootless" in option for option in self._said.get("SecurityOptions") or ()):
            return "a rootless engine cannot mount a disk"
        return shortcoming()

    def create_volume(self, name: str, size: int, labels: Mapping[str, str]) -> None:
        """Make a work volume of `size` bytes. Raises HostError where there is no room for it."""
        options: dict[str, str] = {}
        if self.unlimited is None:
            disk = self._disks[name] = WorkDisk(size)
            options = disk.volume
        self.create_plain_volume(name, labels, options)

    def create_plain_volume(
        self, name: str, labels: Mapping[str, str], options: Mapping[str, str] | None = None
    ) -> None:
        """Make a volume, which has the room of the engine's store unless its options say otherwise."""
        with engine_errors("creating a volume"):
            for _ in range(2):
                made = retried(self._api.create_volume)(
                    name=name, driver="local", driver_opts=dict(options or {}), labels=dict(labels)
                )
                if (made.get("Labels") or {}) == labels:
                    self._places[name] = Path(str(made.get("Mountpoint")))
                    return
                # The engine died during the first attempt and kept the volume without its labels.
                retried(self._api.remove_volume)(name, force=True)
        raise EngineError("the container engine makes no volume with labels", hint=ENGINE_HINT)

    def declared_volumes(self, image: str) -> frozenset[str]:
        """Where an image's VOLUME instructions put volumes: the engine makes one at each that is left free.

        Such a volume can be written to and has the room of the engine's store, even where the container's
        root is read-only. Raises InputError for a relative path: Docker (20.10) mounts it below /, but does
        not find it among the paths that are taken.
        """
        if image not in self._declared:
            with engine_errors(f"inspecting {image}"):
                config = retried(self._api.inspect_image)(image)["Config"] or {}
            written = tuple(config.get("Volumes") or ())
            if relative := [path for path in written if not path.startswith("/")]:
                raise InputError(
                    f"an image declares a volume at a relative path, {relative[0]!r}: {image}",
                    hint="start the path with / in its Dockerfile's VOLUME",
                )
            # As Go's path.Clean, which engines apply; normpath alone keeps two slashes at the start.
            self._declared[image] = frozenset(posixpath.normpath(f"/{path.lstrip('/')}") for path in written)
        return self._declared[image]

    def read_kept(self, name: str, file: str, limit: int) -> bytes | None:
        """A file of a volume by its name, at most a byte beyond the limit; None where it must be fetched.

        For a file of a container that has ended the engine mounts all that the container had once more. It is
        read from the engine's store where that is of this machine and this user may read it (root).
        """
        place = self._places.get(name)
        if place is None or not self.endpoint.startswith(UNIX):
            return None
        try:
            with open_regular(place / file) as stream:
                return stream.read(limit + 1)
        except OSError:
            return None

    def is_full(self, name: str) -> bool:
        """Whether a volume had no room left when its container ended; False of one without a limit."""
        disk = self._disks.get(name)
        return disk is not None and disk.full

    def remove_volume(self, name: str) -> None:
        """Remove a volume; its disk is removed even if the volume cannot be."""
        self._places.pop(name, None)
        with ExitStack() as stack:
            if disk := self._disks.pop(name, None):
                stack.callback(disk.close)
            with engine_errors("removing a volume"), suppress(docker.errors.NotFound):
                once_free(self._api.remove_volume)(name, force=True)

    def remove_unlabelled(self) -> int:
        """Remove the volumes that have names as this tool's, no labels and no container; returns how many.

        A volume that is in use has labels: `create_plain_volume` sees to it before a container is made.
        """
        with engine_errors("listing what an earlier run left"):
            unused = retried(self._api.volumes)(filters={"dangling": True})["Volumes"] or []
        left = [item["Name"] for item in unused if OWN_NAME.fullmatch(item["Name"]) and not item["Labels"]]
        for name in left:
            self.remove_volume(name)
        return len(left)

    def close(self) -> None:
        """Release the disks of volumes that could not be removed, and the connections."""
        with ExitStack() as stack:
            stack.callback(super().close)
            while self._disks:
                stack.callback(self._disks.popitem()[1].close)
