"""The facts of this host: plain values, and the parsers of the texts that they come from."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from orchestrator.adapters.engine import EngineInfo

PIPE_LIMIT: Final = 64
"""Wanted kernel.core_pipe_limit. Of more crashes at one moment than this the kernel drops the cores;
systemd's 16 lost 8 cores of 24 (measured). 0, the kernel's default, does not wait for the handler, so
/proc of the crashed process is gone before it is read."""
DEBIAN_LIKE: Final = frozenset({"debian", "ubuntu"})
DOCKER_WITH_CLIENT: Final = frozenset({"11", "12"})
LISTENING: Final = 0x10000
"""__SO_ACCEPTCON in the flags column of /proc/net/unix (include/linux/net.h)."""
ARM64_NAMES: Final = frozenset({"aarch64", "arm64"})
ARM64_MAGIC: Final = re.compile(r"7f454c4602010100(00){8}0200b700")
"""The start of an arm64 program: ELF, 64 bit, little endian, ET_EXEC (a mask takes in ET_DYN), EM_AARCH64."""
INITIAL_PID_NAMESPACE: Final = "pid:[4026531836]"
"""PROC_PID_INIT_INO (include/linux/proc_ns.h): what /proc/self/ns/pid reads outside of any container."""


class Sysctl(StrEnum):
    """The kernel settings that setup, or a package that it installs, changes; paths under /proc/sys."""

    CORE_PATTERN = "kernel/core_pattern"
    CORE_PIPE_LIMIT = "kernel/core_pipe_limit"
    SUID_DUMPABLE = "fs/suid_dumpable"


@dataclass(frozen=True, kw_only=True)
class HostPaths:
    """Where the host is read and its changes are recorded; tests point these elsewhere."""

    sysctl: Path = Path("/proc/sys")
    unix_sockets: Path = Path("/proc/net/unix")
    record: Path = Path("/var/lib/crashmatrix/setup.json")
    run: Path = Path("/run/crashmatrix")
    log: Path = Path("/var/log/crashmatrix")
    systemd: Path = Path("/run/systemd")
    binfmt: Path = Path("/proc/sys/fs/binfmt_misc")

    @property
    def core_room(self) -> Path:
        """The drop-in by which setup has systemd-coredump keep cores (coredump.conf(5))."""
        return self.systemd / "coredump.conf.d/crashmatrix.conf"


@dataclass(frozen=True, kw_only=True)
class Platform:
    """The distribution (os-release's ID and VERSION_ID), PID 1, and who asks."""

    distribution: str
    version: str
    family: frozenset[str]
    systemd: bool
    user: str
    """The name, for words; rights are given by uid, which stays right when the user is gone."""
    uid: int
    root: bool
    contained: bool
    """Inside a container: the kernel hands cores to the host outside."""

    @property
    def debian_like(self) -> bool:
        """Whether apt is the package manager."""
        return bool(self.family & DEBIAN_LIKE)

    @property
    def client_apart(self) -> bool:
        """Whether the docker client is a package of its own: in Debian, after bookworm's docker.io."""
        return self.distribution == "debian" and self.version not in DOCKER_WITH_CLIENT


@dataclass(frozen=True, kw_only=True)
class EngineFacts:
    """The container engine that answers, or why none does."""

    endpoint: str | None = None
    info: EngineInfo | None = None
    reason: str = ""
    denied: tuple[str, ...] = ()
    """Sockets that are served but that this user may not open."""
    chosen: str | None = None
    """The user's DOCKER_HOST, where it is set."""
    daemon: int | None = None
    """The pid of a dockerd that runs, answering or not."""
    unlimited: str | None = None
    """Why what containers write is not limited (`Engine.unlimited`)."""


@dataclass(frozen=True, kw_only=True)
class StoreRoom:
    """The disk of stored cores in bytes, and when systemd-coredump deletes some of them (coredump.conf(5)).

    It does so at each core: the oldest, of all users and programs, while less than `keep_free` is free.
    """

    folder: str
    free: int
    keep_free: int
    max_use: int


@dataclass(frozen=True, kw_only=True)
class Collection:
    """What happens to a core on this host."""

    sysctl: Mapping[Sysctl, str]
    coredump_served: bool
    journald_served: bool
    storage: str = "external"
    """Storage= of coredump.conf; only `external` keeps cores as files."""
    store: StoreRoom | None = None
    """The room for stored cores; None where it is not known."""

    @property
    def pattern(self) -> str:
        """kernel.core_pattern."""
        return self.sysctl[Sysctl.CORE_PATTERN]

    @property
    def pipe_limit(self) -> int:
        """kernel.core_pipe_limit."""
        return int(self.sysctl[Sysctl.CORE_PIPE_LIMIT])

    @property
    def piped(self) -> bool:
        """Whether the kernel hands cores to systemd-coredump."""
        return pipes_to_coredump(self.pattern)


@dataclass(frozen=True, kw_only=True)
class BinfmtHandler:
    """A binfmt_misc entry. With the F flag its interpreter, opened at registration, works in any root."""

    enabled: bool
    interpreter: str
    flags: str
    magic: str = ""
    """The first bytes of the files that it is for, in hex."""

    @property
    def works_in_containers(self) -> bool:
        """Whether a container that does not hold the interpreter can be run through it."""
        return self.enabled and "F" in self.flags


@dataclass(frozen=True, kw_only=True)
class Emulation:
    """How arm64 programs run here: native, or through a binfmt_misc handler."""

    native: bool = False
    mounted: bool = False
    """Whether binfmt_misc is there to register a handler in."""
    handler: BinfmtHandler | None = None

    @property
    def works(self) -> bool:
        """Whether any container of arm64 runs."""
        return self.native or (self.handler is not None and self.handler.works_in_containers)


@dataclass(frozen=True, kw_only=True)
class Facts:
    """All that setup's plan depends on."""

    platform: Platform
    engine: EngineFacts
    collection: Collection
    machine: str
    """The kernel's name of the architecture, as `uname -m` says it."""
    arm64: Emulation
    found: Mapping[str, str] = field(default_factory=dict)
    """By Debian package, the program or file that shows that what it provides is installed."""
    conflicting: tuple[str, ...] = ()
    """Installed packages that installing systemd-coredump removes, such as Ubuntu's apport."""
    folders: frozenset[Path] = frozenset()
    """Those of the folders that setup may make which exist already."""


def parse_os_release(text: str) -> dict[str, str]:
    """The fields of /etc/os-release, unquoted (os-release(5))."""
    fields = re.findall(r"^([A-Z_]+)=(.*)$", text, re.MULTILINE)
    return {name: value.strip().strip("\"'") for name, value in fields}


def pipes_to_coredump(pattern: str) -> bool:
    """Whether a core_pattern pipes into systemd-coredump (core(5): a leading `|` means a pipe)."""
    handler = pattern[1:].split(maxsplit=1)[0] if re.match(r"\|\S", pattern) else ""
    return Path(handler).name == "systemd-coredump"


def parse_listening(table: str) -> frozenset[str]:
    """The paths of the sockets that a living process listens on, from /proc/net/unix."""
    rows = re.findall(r"^\w+: \w+ \w+ (\w+) \w+ \w+ +\d+ (/.*)$", table, re.MULTILINE)
    paths = (path for flags, path in rows if int(flags, 16) & LISTENING)
    return frozenset(re.sub(r"^/var/run/", "/run/", path) for path in paths)


def parse_storage(texts: Iterable[str]) -> str:
    """Storage= of coredump.conf and its drop-ins in reading order, the last one wins (coredump.conf(5))."""
    found = [value for text in texts for value in re.findall(r"^\s*Storage\s*=\s*(\w+)", text, re.MULTILINE)]
    return found[-1].lower() if found else "external"


def parse_size(texts: Iterable[str], name: str) -> int | None:
    """A size of coredump.conf and its drop-ins in bytes, the last one wins; None where none is set."""
    found = [
        match
        for text in texts
        for match in re.findall(rf"^\s*{name}\s*=\s*(\d{{1,15}})\s*([KMGTPE]?)\s*$", text, re.MULTILINE)
    ]
    if not found:
        return None
    number, unit = found[-1]
    return int(number) << 10 * ("KMGTPE".index(unit) + 1 if unit else 0)


def store_room(texts: Sequence[str], folder: str, total: int, free: int) -> StoreRoom:
    """The room for cores with the defaults of systemd's coredump-vacuum.c: 15 % and 10 %, 4 GiB at most."""
    keep_free, max_use = (parse_size(texts, name) for name in ("KeepFree", "MaxUse"))
    return StoreRoom(
        folder=folder,
        free=free,
        keep_free=min(total * 3 // 20, 4 << 30) if keep_free is None else keep_free,
        max_use=min(max(total // 10, 1 << 20), 4 << 30) if max_use is None else max_use,
    )


def parse_binfmt(text: str) -> BinfmtHandler:
    """An entry of /proc/sys/fs/binfmt_misc (the kernel's admin-guide/binfmt-misc)."""
    interpreter = re.search(r"^interpreter (.+)$", text, re.MULTILINE)
    flags = re.search(r"^flags: (\w*)$", text, re.MULTILINE)
    magic = re.search(r"^magic ([0-9a-f]+)$", text, re.MULTILINE)
    return BinfmtHandler(
        enabled=text.startswith("enabled\n"),
        interpreter=interpreter[1] if interpreter else "",
        flags=flags[1] if flags else "",
        magic=magic[1] if magic else "",
    )


def handler_of_arm64(entries: Iterable[str]) -> BinfmtHandler | None:
    """Of the texts of all entries the handler for arm64's ELF files, one that works in containers first."""
    handlers = (parse_binfmt(entry) for entry in entries)
    found = [handler for handler in handlers if ARM64_MAGIC.fullmatch(handler.magic)]
    return next((handler for handler in found if handler.works_in_containers), next(iter(found), None))


def parse_start_time(stat: str) -> int:
    """A process's start in clock ticks since boot: field 22 of /proc/PID/stat (proc(5)).

    Counted from the last `)`, since the command name before it may hold anything.
    """
    return int(stat.rpartition(")")[2].split()[19])
