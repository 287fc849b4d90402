"""A container engine of the session's own, which shares nothing with the user's but the kernel.

Its images and containers lie on a disk of its own that can be filled. Its bridge is its own: told to use
none, dockerd deletes docker0, which is another's. It leaves the packet filter alone. Its pid file ends it.
"""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Final

import docker

from orchestrator.adapters import process
from orchestrator.errors import ToolError

HINT: Final = "run as root, or with a sudo that does not ask; install docker.io and e2fsprogs"
DISK: Final = 6 << 30
"""Bytes of its disk, which is sparse."""
SECONDS: Final = 60.0
GRACE: Final = 20
"""Seconds that dockerd has to end: it gives its containers 10."""
NETWORKS: Final = range(200, 250)


def root(*command: str) -> str:
    """Run a command as root; returns what it wrote."""
    return process.run(command, root=True, hint=HINT).text.strip()


class OwnEngine:
    """dockerd in a folder; `host` is its address."""

    def __init__(self, folder: Path, bridge: str) -> None:
        self.disk, self.bridge = folder / "disk", bridge
        self._socket, self._pid_file = folder / "engine.sock", folder / "dockerd.pid"
        self._exec, self._log = folder / "exec", folder / "dockerd.log"
        self.host: Final = f"unix://{self._socket}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        dockerd = process.find("dockerd")
        if dockerd is None:
            raise ToolError("dockerd is not installed", hint=HINT)
        options = {
            "data-root": self.disk / "engine", "exec-root": self._exec, "host": self.host,
            "bridge": self.bridge, "iptables": "false", "ip-masq": "false", "ip-forward": "false",
            # A containerd of the system, where one runs, keeps the two engines' containers apart by these.
            "containerd-namespace": self.bridge, "containerd-plugins-namespace": f"{self.bridge}-plugins",
            "pidfile": self._pid_file.with_suffix(".own"), "group": os.getgid(),
        }  # fmt: skip
        arguments = [f"--{name}={value}" for name, value in options.items()]
        self._pid = process.spawn_daemon(
            [dockerd, *arguments], pid_file=self._pid_file, log=self._log, hint=HINT
        )
        self._await()

    def stop(self) -> None:
        """End it as a host that upgrades it does; containers of it end with it."""
        process.stop_daemon(self._pid, grace=GRACE, hint=HINT)

    def kill(self) -> None:
        """End it by kill -9; its containers may run on."""
        root("kill", "-9", str(self._pid))
        while Path(f"/proc/{self._pid}").exists():
            time.sleep(0.05)

    def client(self) -> "closing[docker.DockerClient]":
        """The SDK's client of it."""
        return closing(docker.DockerClient(base_url=self.host, timeout=120))

    def _await(self) -> None:
        end = time.monotonic() + SECONDS
        while True:
            with suppress(docker.errors.DockerException), self.client() as client:
                client.ping()
                return
            if time.monotonic() > end:
                raise ToolError(f"dockerd does not answer; its log: {self._log}", hint=HINT)
            time.sleep(0.1)


@contextmanager
def own_engine(folder: Path) -> Iterator[OwnEngine]:
    """A running engine in a new folder; nothing of it stays."""
    bridge = f"cmchaos{os.getpid() % 100_000}"
    engine = OwnEngine(folder, bridge)
    with ExitStack() as stack:
        stack.callback(root, "rm", "-rf", "--one-file-system", str(folder))
        stack.enter_context(_mounted(folder / "disk.ext4", engine.disk))
        stack.enter_context(_bridge(bridge))
        stack.callback(_end, engine)
        engine.start()
        yield engine


def _end(engine: OwnEngine) -> None:
    with suppress(ToolError, AttributeError):
        engine.stop()


@contextmanager
def _mounted(file: Path, place: Path) -> Iterator[None]:
    place.mkdir(parents=True)
    with file.open("xb") as disk:
        disk.truncate(DISK)
    process.run(
        [process.find("mke2fs") or "mke2fs", "-q", "-F", "-m", "0", "-t", "ext4", str(file)], hint=HINT
    )
    root("mount", "-o", "loop", str(file), str(place))
    try:
        yield
    finally:
        root("umount", "--lazy", str(place))


@contextmanager
def _bridge(name: str) -> Iterator[None]:
    """A bridge with a network that this host does not have yet."""
    taken = root("ip", "-4", "route")
    free = next(number for number in NETWORKS if f"10.{number}." not in taken)
    root("ip", "link", "add", "name", name, "type", "bridge")
    try:
        root("ip", "address", "add", f"10.{free}.0.1/24", "dev", name)
        root("ip", "link", "set", name, "up")
        yield
    finally:
        with suppress(ToolError):  # a case that removes it says so itself
            root("ip", "link", "delete", name)


def copy_images(tags: list[str], target: OwnEngine) -> list[str]:
    """Load what the user's engine has of some images, which is only read; returns the tags of those."""
    with closing(docker.from_env(timeout=600)) as source, target.client() as client:
        here = [tag for tag in tags if _has(source, tag)]
        for tag in here:
            client.images.load(source.api.get_image(tag))
    return here


def _has(client: docker.DockerClient, tag: str) -> bool:
    try:
        client.images.get(tag)
    except docker.errors.DockerException:
        return False
    return True


def free(place: Path) -> int:
    """Bytes that root can still write there."""
    return shutil.disk_usage(place).free
