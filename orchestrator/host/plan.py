"""Setup's plan: the steps that are missing, computed from the facts of a host. Nothing is changed here."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from orchestrator.errors import HostError
from orchestrator.host.facts import PIPE_LIMIT, Facts, HostPaths, StoreRoom, Sysctl
from orchestrator.host.record import (
    AccessEntry,
    BinfmtEntry,
    DaemonEntry,
    FileEntry,
    FolderEntry,
    MountEntry,
    PackagesEntry,
    SysctlEntry,
    UnitEntry,
)
from orchestrator.host.steps import Command, Daemon, Goal, Step

WANTED: Final = (
    "mmdebstrap",
    "debian-archive-keyring",
    "gdb-multiarch",
    "systemd-coredump",
    "npm",
    "ca-certificates",
)
"""Debian packages whose service a host needs (npm: for glibc 2.17); an engine and acl where they lack."""
EMULATOR: Final = "qemu-user-static"
BINFMT_NAME: Final = "crashmatrix-arm64"
BINFMT_MAGIC: Final = r"\x7fELF\x02\x01\x01" + r"\x00" * 9 + r"\x02\x00\xb7\x00"
BINFMT_MASK: Final = r"\xff" * 7 + r"\x00" + r"\xff" * 8 + r"\xfe\xff\xff\xff"
"""The first bytes of an arm64 program (qemu's scripts/qemu-binfmt-conf.sh). The mask accepts any OS ABI, and
position-independent programs."""
BINFMT_FLAGS: Final = "PF"
"""P: the program keeps the argv[0] that it was called by. F: the emulator works in every root."""
BROWSER: Final = "chromium"
APT: Final = ("env", "DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_SUSPEND=1", "apt-get")
APT_OPTIONS: Final = ("-o", "DPkg::Lock::Timeout=120", "-o", "Acquire::Retries=3")
SYSTEMD_SYSCTL: Final = "/lib/systemd/systemd-sysctl"
COREDUMP_SYSCTL: Final = "/usr/lib/sysctl.d/50-coredump.conf"
"""Where the package itself says what core_pattern its version of systemd-coredump wants."""
CORES_WANTED: Final = 1 << 30
"""Bytes for the cores that are written before one is read: 32 at once, of some tens of MB each."""
KEEP_FREE: Final = 256 << 20
"""Bytes that stay free of a disk that has little room (the default is 15 %, 4 GiB at most)."""
DOCKER_SOCKET: Final = "/run/docker.sock"
PODMAN_SOCKET: Final = "/run/podman/podman.sock"


def plan(facts: Facts, paths: HostPaths, *, browser: bool = False) -> tuple[Step, ...]:
    """The missing steps in order; empty where nothing is missing.

    `browser` asks for Chromium too, which only the tests of the report need. Raises HostError where
    setup must not or cannot help, with what to do by hand.
    """
    lacking = lacking_packages(facts, browser=browser)
    if lacking and not facts.platform.debian_like:
        raise HostError(
            f"setup installs packages on Debian and Ubuntu only, and this is {facts.platform.distribution}",
            hint=f"install what brings the programs of Debian's {', '.join(lacking)}, then run setup again",
        )
    steps = [_install(facts, lacking)] if lacking else []
    steps += _engine_steps(facts, paths)
    steps += _collection_steps(facts, paths)
    steps += _room_steps(facts, paths)
    steps += _emulation_steps(facts, paths)
    return tuple(steps)


def lacking_packages(facts: Facts, *, browser: bool) -> tuple[str, ...]:
    """The packages that apt installs."""
    wanted = list(WANTED)
    if facts.engine.info is None and not facts.engine.denied and facts.engine.chosen is None:
        wanted.insert(0, "docker.io")
    if not facts.platform.root:
        wanted.append("acl")
    if not facts.arm64.works:
        wanted.append(EMULATOR)
    if browser:
        wanted.append(BROWSER)
    if "docker.io" not in facts.found and facts.platform.client_apart:
        wanted.insert(1, "docker-cli")
    return tuple(package for package in wanted if package not in facts.found)


def _originals(facts: Facts) -> tuple[SysctlEntry, ...]:
    return tuple(SysctlEntry(name=name, original=value) for name, value in facts.collection.sysctl.items())


def _install(facts: Facts, lacking: tuple[str, ...]) -> Step:
    handlers = "systemd-coredump" in lacking
    replaced = facts.conflicting if handlers else ()
    notes = ["; it points kernel.core_pattern at itself"] if handlers else []
    notes += [f"; apt REMOVES {' '.join(replaced)}, which it replaces"] if replaced else []
    removal = () if replaced else ("--no-remove",)
    return Step(
        goal=Goal.PACKAGES,
        packages=lacking,
        change=f"install {' '.join(lacking)}{''.join(notes)}",
        undone="undo leaves packages and says how to remove them; it puts the kernel's settings back",
        commands=(
            # One broken source of many fails this; install says whether what it needs is there.
            Command(args=(*APT, *APT_OPTIONS, "-o", "APT::Update::Error-Mode=any", "update"), may_fail=True),
            Command(
                args=(*APT, *APT_OPTIONS, "install", "--yes", "--no-install-recommends", *removal, *lacking)
            ),
        ),
        entries=(
            *(_originals(facts) if handlers else ()),
            PackagesEntry(names=lacking, replaced=replaced),
        ),
    )


def _engine_steps(facts: Facts, paths: HostPaths) -> Iterator[Step]:
    engine = facts.engine
    if engine.info is not None:
        return
    if engine.chosen:
        raise HostError(
            f"DOCKER_HOST is {engine.chosen}, and no engine answers there",
            hint="start that engine, or unset DOCKER_HOST so that setup may use this host's own",
        )
    if engine.denied:
        yield _access(facts, engine.denied[0])
        return
    if engine.daemon:
        raise HostError(
            f"dockerd runs as pid {engine.daemon} and does not answer: {engine.reason}",
            hint="see its log, or stop it, then run setup again",
        )
    podman = Path(facts.found.get("docker.io", "")).name == "podman"
    if facts.platform.systemd:
        yield _unit("podman.socket" if podman else "docker.service", Goal.ENGINE, "the container engine")
    elif podman:
        socket = paths.run / "podman.sock"
        args = ("podman", "system", "service", "--time=0", f"unix://{socket}")
        yield _daemon("podman", args, Goal.ENGINE, "serve Podman's API", facts=facts, paths=paths)
    else:
        what = "start the Docker engine (PID 1 is not systemd)"
        yield _daemon("dockerd", ("dockerd",), Goal.ENGINE, what, facts=facts, paths=paths)
    if not facts.platform.root:
        own = PODMAN_SOCKET if facts.platform.systemd else str(paths.run / "podman.sock")
        yield _access(facts, own if podman else DOCKER_SOCKET)


def _access(facts: Facts, socket: str) -> Step:
    user, uid = facts.platform.user, facts.platform.uid
    return Step(
        goal=Goal.ACCESS,
        change=f"let {user} use {socket} until the engine restarts (as powerful as being root)",
        undone="the access right is taken away",
        commands=(Command(args=("setfacl", "--modify", f"u:{uid}:rw", socket)),),
        entries=(AccessEntry(path=socket, user=user, uid=uid),),
    )


def _collection_steps(facts: Facts, paths: HostPaths) -> Iterator[Step]:
    state, systemd = facts.collection, facts.platform.systemd
    if not state.journald_served:
        if systemd:
            yield _unit("systemd-journald.service", Goal.JOURNALD, "the journal, where cores are found")
        else:
            yield _journald(facts, paths)
    if not state.coredump_served:
        if systemd:
            yield _unit("systemd-coredump.socket", Goal.COREDUMP, "the socket that stores cores")
        else:
            yield _coredump(facts, paths)
    if not state.piped:
        yield Step(
            goal=Goal.CORE_PATTERN,
            change=f"let the kernel hand cores to systemd-coredump (kernel.core_pattern is {state.pattern})",
            undone=f"kernel.core_pattern is set back to: {state.pattern}",
            commands=(Command(args=(SYSTEMD_SYSCTL, "--prefix=kernel/core_pattern", COREDUMP_SYSCTL)),),
            entries=_originals(facts),
        )
    if not enough_pipes(state.pipe_limit) or "systemd-coredump" not in facts.found:
        file = paths.sysctl / Sysctl.CORE_PIPE_LIMIT
        yield Step(
            goal=Goal.PIPE_LIMIT,
            change=f"set kernel.core_pipe_limit to {PIPE_LIMIT} (now {state.pipe_limit}; the kernel drops"
            " the cores of more simultaneous crashes; at 0 it does not wait for a core to be read)",
            undone=f"kernel.core_pipe_limit is set back to {state.pipe_limit}",
            commands=(Command(args=("tee", str(file)), stdin=str(PIPE_LIMIT)),),
            entries=_originals(facts),
        )


def _room_steps(facts: Facts, paths: HostPaths) -> Iterator[Step]:
    """Steps by which systemd-coredump keeps the cores of a run; none if it does, or the disk is full."""
    room = facts.collection.store
    if enough_room(room) or room is None or room.free < KEEP_FREE + CORES_WANTED:
        return
    most = max(room.max_use, CORES_WANTED)
    text = f"[Coredump]\nKeepFree={KEEP_FREE >> 20}M\nMaxUse={most >> 20}M"
    yield Step(
        goal=Goal.CORE_ROOM,
        change=f"have systemd-coredump delete no cores that a run needs (KeepFree={KEEP_FREE >> 20}M,"
        f" MaxUse={most >> 20}M, until the next boot)",
        undone=f"{paths.core_room} is removed",
        commands=(
            Command(args=("mkdir", "-p", str(paths.core_room.parent))),
            Command(args=("tee", str(paths.core_room)), stdin=text),
        ),
        entries=(FileEntry(path=str(paths.core_room)),),
        optional=True,
    )


def enough_room(room: StoreRoom | None) -> bool:
    """Whether systemd-coredump keeps the cores that are written before one is read."""
    return room is not None and room.free >= room.keep_free + CORES_WANTED and room.max_use >= CORES_WANTED


def _emulation_steps(facts: Facts, paths: HostPaths) -> Iterator[Step]:
    """Steps by which arm64 programs run in any container; none where they run already, as on an arm64 host.

    The line is our own, not the package's: who registers that one, and with which flags, differs by
    distribution and needs systemd or binfmt-support.
    """
    if facts.arm64.works:
        return
    if not facts.arm64.mounted:
        yield Step(
            goal=Goal.BINFMT,
            change=f"mount binfmt_misc at {paths.binfmt}",
            undone="it is unmounted",
            commands=(Command(args=("mount", "-t", "binfmt_misc", "binfmt_misc", str(paths.binfmt))),),
            entries=(MountEntry(path=str(paths.binfmt)),),
            optional=True,
        )
    emulator = facts.found.get(EMULATOR, "/usr/bin/qemu-aarch64-static")
    line = f":{BINFMT_NAME}:M::{BINFMT_MAGIC}:{BINFMT_MASK}:{emulator}:{BINFMT_FLAGS}"
    yield Step(
        goal=Goal.ARM64,
        change="have the kernel run arm64 programs through qemu-user, in containers too (any user may then)",
        undone="the handler is taken out of binfmt_misc",
        commands=(Command(args=("tee", str(paths.binfmt / "register")), stdin=line),),
        entries=(BinfmtEntry(name=BINFMT_NAME),),
        optional=True,
    )


def enough_pipes(limit: int) -> bool:
    """Whether a core_pipe_limit loses no core of a full run."""
    return limit >= PIPE_LIMIT


def _journald(facts: Facts, paths: HostPaths) -> Step:
    folders = (paths.systemd, paths.systemd / "journal")
    return _daemon(
        "systemd-journald", ("/lib/systemd/systemd-journald",), Goal.JOURNALD,
        "start the journal, where cores are found (PID 1 is not systemd)",
        facts=facts, paths=paths, folders=folders,
    )  # fmt: skip


def _coredump(facts: Facts, paths: HostPaths) -> Step:
    socket = str(paths.systemd / "coredump")
    args = (
        "systemd-socket-activate", "--accept", "--seqpacket", "-l", socket, "/lib/systemd/systemd-coredump",
    )  # fmt: skip
    return _daemon(
        "systemd-coredump", args, Goal.COREDUMP,
        "serve the socket that stores cores (PID 1 is not systemd)", facts=facts, paths=paths,
    )  # fmt: skip


def _daemon(
    name: str,
    args: tuple[str, ...],
    goal: Goal,
    change: str,
    *,
    facts: Facts,
    paths: HostPaths,
    folders: tuple[Path, ...] = (),
) -> Step:
    """A step that starts a daemon; `folders` are those that it needs and that may be lacking."""
    made = tuple(folder for folder in (paths.run, paths.log, *folders) if folder not in facts.folders)
    daemon = Daemon(name=name, args=args, pid_file=paths.run / f"{name}.pid", log=paths.log / f"{name}.log")
    return Step(
        goal=goal,
        change=change,
        undone=f"{name} is stopped",
        commands=(Command(args=("mkdir", "-p", *map(str, made))),) if made else (),
        daemon=daemon,
        entries=(*(FolderEntry(path=str(path)) for path in made), DaemonEntry(name=name)),
    )


def _unit(name: str, goal: Goal, what: str) -> Step:
    return Step(
        goal=goal,
        change=f"start {what} ({name})",
        undone=f"{name} is stopped",
        commands=(Command(args=("systemctl", "start", name)),),
        entries=(UnitEntry(name=name),),
    )
