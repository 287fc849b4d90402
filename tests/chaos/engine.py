"""A container engine of the session's own, which shares nothing with the user's but the kernel.

Its images and containers lie on a disk of its own that can be filled. It has its own bridge: with `--bridge
none`, dockerd would delete docker0, which belongs to the user's engine. It does not change the packet filter.
It is ended by its pid file.
"""

import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Final

import docker

from orchestrator.adapters import process
from orchestrator.adapters.engine.connection import refusal
from orchestrator.errors import ToolError

HINT: Final = "run as root, or with a sudo that does not ask; install docker.io and e2fsprogs"
DISK: Final = 6 << 30
"""Bytes of its disk, which is sparse."""
SECONDS: Final = 60.0
GRACE: Final = 20
"""Seconds that dockerd has to end: it gives its containers 10."""
PROC: Final = Path("/proc")
NETWORKS: Final = range(200, 250)


def root(*command: str) -> str:
    """Run a command as root; returns what it wrote."""
    return process.run(command, root=True, hint=HINT).text.strip()


Line = Callable[[Path, str], Sequence[str]]
"""The command that starts an engine in a folder: of the folder and the name of its bridge."""


def of_this_host(folder: Path, bridge: str) -> list[str]:
    """dockerd as this host has it installed."""
    return ["dockerd", *dockerd_options(folder, bridge)]


def dockerd_options(folder: Path, bridge: str) -> list[str]:
    """The flags by which a dockerd has everything in a folder, and leaves the packet filter alone."""
    options = {
        "data-root": folder / "disk/engine", "exec-root": folder / "exec", "host": _address(folder),
        "bridge": bridge, "iptables": "false", "ip-masq": "false", "ip-forward": "false",
        # A containerd of the system, where one runs, keeps the two engines' containers apart by these.
        "containerd-namespace": bridge, "containerd-plugins-namespace": f"{bridge}-plugins",
        "pidfile": folder / "dockerd.own", "group": os.getgid(),
    }  # fmt: skip
    return [f"--{name}={value}" for name, value in options.items()]


def _address(folder: Path) -> str:
    return f"unix://{folder / 'engine.sock'}"


class OwnEngine:
    """An engine in a folder; `host` is its address."""

    def __init__(self, folder: Path, bridge: str, line: Line) -> None:
        self.disk, self.bridge = folder / "disk", bridge
        self._pid_file, self._log = folder / "engine.pid", folder / "engine.log"
        self._folder, self._line = folder, line
        self.host: Final = _address(folder)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = self._line(self._folder, self.bridge)
        self._pid = process.spawn_daemon(command, pid_file=self._pid_file, log=self._log, hint=HINT)
        self._await()

    def stop(self) -> None:
        """End it by SIGTERM, as an upgrade does; its containers end too."""
        process.stop_daemon(self._pid, grace=GRACE, hint=HINT)

    def kill(self) -> None:
        """End it by kill -9; its containers may run on."""
        _kill([self._pid])

    def kill_survivors(self) -> None:
        """End what a kill -9 leaves of it: containerd, shims and their containers, each by its pid.

        A shim that lost its containerd outlives every later engine. It does not take its container along,
        and the mounts of network namespaces stay, by which the folder could not be removed.
        """
        left = survivors(self._folder)
        _kill([*left, *(child for pid in left for child in _children(pid))])
        for line in (PROC / "self/mounts").read_text().splitlines():
            place = line.split()[1].replace("\\040", " ")
            if place.startswith(f"{self._folder / 'exec'}/"):
                root("umount", "--lazy", place)

    def client(self) -> "closing[docker.DockerClient]":
        """The SDK's client of it."""
        return closing(docker.DockerClient(base_url=self.host, timeout=120))

    def _await(self) -> None:
        end = time.monotonic() + SECONDS
        while True:
            # Not by the SDK, which leaves its socket open when it cannot connect.
            if refusal(self.host) is None:
                with suppress(docker.errors.DockerException), self.client() as client:
                    client.ping()
                    return
            if time.monotonic() > end:
                raise ToolError(f"the engine does not answer; its log: {self._log}", hint=HINT)
            time.sleep(0.1)


@contextmanager
def own_engine(folder: Path, line: Line = of_this_host) -> Iterator[OwnEngine]:
    """Yield a running engine in a new folder; everything of it is removed at the end."""
    bridge = f"cmchaos{os.getpid() % 100_000}"
    engine = OwnEngine(folder, bridge, line)
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
    engine.kill_survivors()


def survivors(folder: Path) -> list[int]:
    """The processes whose command lines name the folder where an engine has its sockets."""
    mark = os.fsencode(folder / "exec") + b"/"
    return [int(place.parent.name) for place in PROC.glob("[0-9]*/cmdline") if mark in _read(place)]


def _children(pid: int) -> list[int]:
    return [int(child) for place in PROC.glob(f"{pid}/task/*/children") for child in _read(place).split()]


def _read(place: Path) -> bytes:
    try:
        return place.read_bytes()
    except OSError:  # it has ended
        return b""


def _kill(pids: Sequence[int]) -> None:
    """Kill processes, and wait until none of them runs; a zombie has no command line."""
    for pid in pids:
        with suppress(ToolError):  # it has ended
            root("kill", "-9", str(pid))
    while any(_read(PROC / f"{pid}/cmdline") for pid in pids):
        time.sleep(0.05)


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
    """Copy images that the user's engine has, which is only read; returns their tags."""
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
