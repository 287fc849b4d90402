"""Containers and their work volumes: created locked down, run once, read, removed."""

from __future__ import annotations

__lazy_modules__ = ("docker",)

import resource
from collections.abc import Callable, Generator, Iterable, Mapping, Set
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import docker

from orchestrator.adapters.engine.calls import CONFLICT, engine_errors, once_free, retried
from orchestrator.adapters.engine.container_files import ContainerFiles
from orchestrator.adapters.engine.later import Later
from orchestrator.adapters.engine.volumes import Volumes
from orchestrator.errors import InputError
from orchestrator.model import IMAGE, LABEL

MEMORY: Final = "/tmp"  # noqa: S108 - inside the container
"""The folder in memory that every container has."""
PROCESSES: Final = 1 << 15
"""Linux's default pid_max, which Podman takes for its own limit (seen on 4.3)."""


@dataclass(frozen=True, kw_only=True)
class ContainerSpec:
    """How one trial's container is made. Sizes in bytes; `hostname` must be unique to find its core."""

    image: str
    command: tuple[str, ...]
    hostname: str
    platform: str
    labels: Mapping[str, str]
    environment: Mapping[str, str] = field(default_factory=dict)
    work: str = "/work"
    network: bool = False
    """Whether it has the engine's default network; without, it has its loopback alone."""
    memory: int = 1 << 30
    disk: int = 1 << 30
    """The size of `work`, where this host can limit it (`Engine.unlimited`)."""
    pids: int = 512
    user: str | None = None
    """User and group of the first process; None: the image's."""
    capabilities: tuple[str, ...] = ()
    """Capabilities of the first process."""
    terminal: bool = False
    """Whether it has a terminal."""
    volumes: tuple[str, ...] = ()
    """Where further volumes are mounted, which come and go with the container."""

    @property
    def further(self) -> dict[str, str]:
        """Where each further volume is mounted, by its name."""
        return self._numbered(self.volumes, 1)

    def copied(self, declared: Set[str]) -> dict[str, str]:
        """By the names of their volumes, the folders that an image declares as volumes and nothing covers."""
        left = declared - {self.work, MEMORY, *self.volumes}
        return self._numbered(sorted(left), len(self.volumes) + 1)

    def _numbered(self, paths: Iterable[str], first: int) -> dict[str, str]:
        return {f"{self.hostname}-{number}": path for number, path in enumerate(paths, first)}


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A container that ended: the status of its init, and the limits that it met."""

    status: int
    oom: bool
    """Whether the memory limit killed it."""
    disk_full: bool = False
    """Whether its work volume had no room left at the end."""


ENDED: Final = frozenset({"created", "exited", "dead"})
"""States of containers that do not run. Podman refuses a filter by a state that it does not have: `dead`."""


class Containers(ContainerFiles, Volumes):
    """The engine's containers. One is named by its id or by its name, which is its hostname."""

    def __init__(self, client: docker.DockerClient, endpoint: str) -> None:
        super().__init__(client, endpoint)
        self._made: dict[str, tuple[str, ...]] = {}
        """By the names of containers that are not yet removed, the names of their volumes."""
        self._later = Later()

    def create(self, spec: ContainerSpec) -> str:
        """Create a trial's locked-down container and its labelled work volume; returns the id.

        No network unless the trial asks for one, no capabilities but those asked for, no new privileges, a
        read-only root, limits on memory and pids. What the image declares as a volume is as read-only as the
        rest of it: the engine copies the image's files to a volume of ours. `init` is always on: a process
        that is PID 1 does not die of its own SIGABRT, and under qemu-user it hangs for ever. `discard`
        removes all that it made, also where it raised.
        """
        copied = spec.copied(self.declared_volumes(spec.image))
        self._made[spec.hostname] = (spec.hostname, *spec.further, *copied)
        self.create_volume(spec.hostname, spec.disk, spec.labels)
        for name in (*spec.further, *copied):
            self.create_plain_volume(name, spec.labels)
        written = {spec.hostname: spec.work, **spec.further}
        with engine_errors(f"creating a container of {spec.image}"):
            host = self._api.create_host_config(
                init=True,
                network_mode="default" if spec.network else "none",
                cap_drop=["ALL"],
                cap_add=list(spec.capabilities),
                security_opt=["no-new-privileges"],
                read_only=True,
                binds=_binds(written, "rw") | _binds(copied, "ro"),
                tmpfs={MEMORY: "size=64m,mode=1777"},
                mem_limit=spec.memory,
                memswap_limit=spec.memory,
                pids_limit=spec.pids,
                ulimits=_ulimits(),
                log_config=docker.types.LogConfig(type="none"),
            )
            create = partial(
                retried(self._api.create_container),
                spec.image,
                list(spec.command),
                hostname=spec.hostname,
                name=spec.hostname,
                environment=dict(spec.environment),
                labels=dict(spec.labels),
                working_dir=spec.work,
                user=spec.user,
                tty=spec.terminal,
                stdin_open=spec.terminal,
                host_config=host,
                platform=spec.platform,
                use_config_proxy=False,  # the user's proxies, with their passwords
            )
            try:
                return str(create()["Id"])
            except docker.errors.APIError as error:
                if error.status_code != CONFLICT:
                    raise
                # An earlier attempt made it, and its answer was lost with the engine.
                self.remove(spec.hostname)
                return str(create()["Id"])

    def run(self, container: str, sink: Callable[[str, bytes], None]) -> Ended:
        """Start a container, hand each piece of output to `sink(stream, bytes)`, wait for its end.

        Attached before the start, so that nothing is missed and no log is kept by the engine. Never
        retried: a second start would be a second trial.
        """
        with engine_errors("running a container"):
            with self._attached(container) as output:
                self._api.start(container)
                frames = docker.utils.socket  # type: ignore[attr-defined] # the SDK's stubs do not export it
                for stream, data in frames.frames_iter(output, tty=False):
                    sink("stdout" if stream == frames.STDOUT else "stderr", data)
            status = int(self._api.wait(container)["StatusCode"])
            found = self._api.inspect_container(container)
        oom = bool(found["State"].get("OOMKilled"))
        return Ended(status=status, oom=oom, disk_full=self.is_full(found["Name"].removeprefix("/")))

    @contextmanager
    def _attached(self, container: str) -> Generator[Any]:
        """The socket of a container's output. The SDK's own `attach` leaves it open until it is collected."""
        output = self._api.attach_socket(container, params={"stdout": 1, "stderr": 1, "stream": 1})
        try:
            yield output
        finally:
            output._response.close()  # noqa: SLF001 - the SDK keeps the response there, and nowhere else

    def kill(self, container: str) -> None:
        """Kill a container that exceeded its time; one that has just ended is no error."""
        with engine_errors("killing a container"):
            try:
                self._api.kill(container)
            except docker.errors.APIError as error:
                if not error.is_client_error():
                    raise

    def hold(self, image: str, *, labels: Mapping[str, str]) -> str:
        """Create, never start, a container of an image, to read the image's files; returns its id."""
        with engine_errors(f"opening {image}"):
            made = retried(self._api.create_container)(
                image, ["-"], labels=dict(labels), use_config_proxy=False
            )
            return str(made["Id"])

    def container_id(self, name: str) -> str:
        """The id of a container that a person named; raises InputError if there is none."""
        with engine_errors(f"looking for container {name}"):
            try:
                return str(retried(self._api.inspect_container)(name)["Id"])
            except (docker.errors.NotFound, docker.errors.NullResource) as error:
                raise InputError(
                    f"the engine has no container {name!r}",
                    hint="see `docker ps --all`; one that ran with --rm is gone, its image may serve",
                ) from error

    def remove(self, container: str) -> None:
        """Remove a container, killing it first where it still runs."""
        with engine_errors("removing a container"):
            try:
                once_free(self._api.remove_container)(container, force=True, v=True)
            except docker.errors.NotFound:
                return

    def discard(self, name: str) -> None:
        """Remove a container that this process made, by its name, and its volumes.

        By name, since it may exist although the engine's answer to its creation was lost.
        """
        with ExitStack() as stack:
            for volume in self._made.get(name, (name,)):
                stack.callback(self.remove_volume, volume)
            self.remove(name)
        self._made.pop(name, None)

    def discard_later(self, name: str) -> None:
        """Do what `discard` does without having the caller wait; what fails is left to `discard_all`."""
        self._later.do(partial(self.discard, name))

    def settle(self) -> None:
        """Wait for the removals that still run."""
        self._later.settle()

    def close(self) -> None:
        """Wait for removals, then close the connections."""
        self.settle()
        super().close()

    def discard_all(self) -> None:
        """Remove what this process made and has not removed, as far as possible; raises the last error.

        An engine that dies keeps an unfinished container without its labels: only its name identifies it.
        """
        self.settle()
        with ExitStack() as stack:
            for name in list(self._made):
                stack.callback(self.discard, name)

    def remove_dead_builds(self) -> int:
        """Remove the containers of builds that ended with the engine's process before this; returns how many.

        A build is a part of that process. Its containers have names of the engine's choice, and no owner.
        """
        wanted = {"label": f"{LABEL}={IMAGE}"}
        with engine_errors("listing what a broken build left"):
            found = retried(self._api.containers)(all=True, filters=wanted)
        ended = [item for item in found if item["State"] in ENDED]
        dead = [item["Id"] for item in ended if item["Created"] < int(self.since)]
        for container in dead:
            self.remove(container)
        return len(dead)

    def label_values(self, label: str) -> frozenset[str]:
        """The values that a label has on this tool's containers and volumes."""
        wanted = {"label": [LABEL, label]}
        with engine_errors("listing what an earlier run left"):
            containers = retried(self._api.containers)(all=True, filters=wanted)
            volumes = retried(self._api.volumes)(filters=wanted)["Volumes"] or []
        return frozenset(item["Labels"][label] for item in [*containers, *volumes])

    def reap(self, label: str, value: str) -> int:
        """Remove every container and volume of this tool that carries a label; returns how many."""
        wanted = {"label": [LABEL, f"{label}={value}"]}
        with engine_errors("listing what to remove"):
            containers = retried(self._api.containers)(all=True, filters=wanted)
            volumes = retried(self._api.volumes)(filters=wanted)["Volumes"] or []
        with ExitStack() as stack:  # a failure of one does not keep the others
            for volume in volumes:
                stack.callback(self.remove_volume, volume["Name"])
            for container in containers:
                stack.callback(self.remove, container["Id"])
        return len(containers) + len(volumes)


def _binds(mounted: Mapping[str, str], mode: str) -> dict[str, Mapping[str, str]]:
    return {name: {"bind": path, "mode": mode} for name, path in mounted.items()}


def _ulimits() -> list[docker.types.Ulimit]:
    """Every limit that an engine would else choose in its own way, each low enough for any engine to set.

    The core limit must not be 1, which disables the kernel's pipe; -1 also lets qemu write the
    guest's core. Left alone, Docker may allow a billion open files, and Podman (4.3, as root) raises
    files and processes to what takes CAP_SYS_RESOURCE, which a confined machine lacks. The limit on
    processes counts all of the user's on the host: the trial's own bound is the pids limit.
    """
    _, own = resource.getrlimit(resource.RLIMIT_NPROC)
    processes = PROCESSES if own == resource.RLIM_INFINITY else min(own, PROCESSES)
    return [
        docker.types.Ulimit(name="core", soft=-1, hard=-1),
        docker.types.Ulimit(name="nofile", soft=1024, hard=4096),
        docker.types.Ulimit(name="nproc", soft=processes, hard=processes),
    ]
