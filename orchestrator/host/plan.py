"""Setup's plan: the steps that are missing, computed from the facts of a host. Nothing is changed here."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from orchestrator.errors import HostError
from orchestrator.host.collection_steps import collection_steps, originals, room_steps
from orchestrator.host.emulation_steps import EMULATOR, emulation_steps
from orchestrator.host.facts import ARM64_NAMES, Facts, HostPaths
from orchestrator.host.record import AccessEntry, PackagesEntry
from orchestrator.host.services import daemon_step, unit_step
from orchestrator.host.steps import Command, Goal, Step

WANTED: Final = (
    "mmdebstrap",
    "debian-archive-keyring",
    "gdb-multiarch",
    "systemd-coredump",
    "ca-certificates",
)
"""Debian packages whose service every host needs; others where something lacks."""
TOOLCHAINS: Final = "npm"
"""It fetches the toolchains that bring glibc 2.17, which run on x86_64 only."""
BROWSER: Final = "chromium"
APT: Final = ("env", "DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_SUSPEND=1", "apt-get")
APT_OPTIONS: Final = ("-o", "DPkg::Lock::Timeout=120", "-o", "Acquire::Retries=3")
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
    steps += collection_steps(facts, paths)
    steps += room_steps(facts, paths)
    steps += emulation_steps(facts, paths)
    return tuple(steps)


def lacking_packages(facts: Facts, *, browser: bool) -> tuple[str, ...]:
    """The packages that apt installs."""
    wanted = list(WANTED)
    if facts.engine.info is None and not facts.engine.denied and facts.engine.chosen is None:
        wanted.insert(0, "docker.io")
    if not facts.platform.root:
        wanted.append("acl")
    if facts.machine not in ARM64_NAMES:
        wanted.append(TOOLCHAINS)
    if not facts.arm64.works:
        wanted.append(EMULATOR)
    if browser:
        wanted.append(BROWSER)
    if "docker.io" not in facts.found and facts.platform.client_apart:
        wanted.insert(1, "docker-cli")
    return tuple(package for package in wanted if package not in facts.found)


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
            *(originals(facts) if handlers else ()),
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
        yield unit_step("podman.socket" if podman else "docker.service", Goal.ENGINE, "the container engine")
    elif podman:
        socket = paths.run / "podman.sock"
        args = ("podman", "system", "service", "--time=0", f"unix://{socket}")
        yield daemon_step("podman", args, Goal.ENGINE, "serve Podman's API", facts=facts, paths=paths)
    else:
        what = "start the Docker engine (PID 1 is not systemd)"
        yield daemon_step("dockerd", ("dockerd",), Goal.ENGINE, what, facts=facts, paths=paths)
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
