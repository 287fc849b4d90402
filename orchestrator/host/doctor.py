"""The capabilities of this host: what was found, and how to fix what is missing. Changes nothing."""

import importlib
import importlib.metadata
import re
import shutil
from pathlib import Path
from typing import Final

from orchestrator.adapters import jail, process
from orchestrator.adapters.engine import Engine
from orchestrator.errors import ToolError
from orchestrator.host import probe, trial
from orchestrator.host.capability import Capability, State
from orchestrator.host.collection_steps import enough_pipes, enough_room
from orchestrator.host.facts import ARM64_NAMES, Facts, HostPaths
from orchestrator.invocation import command
from orchestrator.model import MATRIX_ARCHES, Arch

SETUP: Final = f"run `{command('setup')}`"
DISK_WANTED: Final = 6 << 30
"""Bytes that the base images, the builder and the cells of the smoke profile take, with room for cores."""
DISK_LEAST: Final = 2 << 30
MEMORY_WANTED: Final = 3 << 30
"""Bytes for two cells at their limit of 1 GiB and the engine."""
MEMORY_LEAST: Final = 1 << 30
DROP_IN: Final = "/run/systemd/coredump.conf.d/crashmatrix.conf"
LOOK_HINT: Final = "reinstall it"


def doctor(*, paths: HostPaths | None = None, quick: bool = False) -> tuple[Capability, ...]:
    """Examine this host; the order is that of a run. Raises HostError only where /proc is not Linux's.

    Unless it is `quick`, the engine builds two images of some bytes and runs a container, which are removed.
    """
    paths = paths or HostPaths()
    facts = probe.survey(paths)
    return (
        engine(facts),
        *(() if quick else tried(facts)),
        native(facts),
        arm64(facts),
        mmdebstrap(facts),
        npm(facts),
        maven(facts),
        collection(facts),
        core_room(facts),
        pipe_limit(facts),
        gdb(),
        pystack(),
        confinement(),
        work_limit(facts),
        root(),
        disk("disk of the engine", _engine_root(facts)),
        disk("disk of the reports", Path.cwd()),
        memory(),
    )


def engine(facts: Facts) -> Capability:
    """The container engine."""
    found = facts.engine
    if found.info is None:
        hint = f"start the engine at DOCKER_HOST={found.chosen}, or unset it" if found.chosen else SETUP
        return Capability(name="engine", state=State.MISSING, found=found.reason, hint=hint)
    info = found.info
    said = f"{info.name} {info.version} (API {info.api}, storage {info.driver}) at {found.endpoint}"
    if not (found.endpoint or "").startswith("unix://"):
        return Capability(
            name="engine", state=State.DEGRADED, found=f"{said}, which may be another machine",
            hint="use this machine's own engine (unset DOCKER_HOST): cores stay where the process crashed",
        )  # fmt: skip
    if info.driver == "vfs":
        return Capability(
            name="engine", state=State.DEGRADED, found=f"{said}, which copies every layer whole",
            hint="let the engine's root lie on ext4 or xfs, so that it can use overlay2",
        )  # fmt: skip
    return Capability(name="engine", state=State.OK, found=said)


def tried(facts: Facts) -> tuple[Capability, ...]:
    """Whether the engine builds images and runs containers; empty where no engine answers."""
    if facts.engine.info is None:
        return ()
    connection = Engine.connect()
    try:
        return trial.try_engine(connection, Arch.from_machine(facts.engine.info.arch))
    finally:
        connection.close()


def native(facts: Facts) -> Capability:
    """The architecture that runs without emulation."""
    name = "arm64" if facts.machine in ARM64_NAMES else facts.machine
    if name in MATRIX_ARCHES:
        return Capability(name="native architecture", state=State.OK, found=name)
    hint = f"use a host of {' or '.join(MATRIX_ARCHES)}"
    return Capability(name="native architecture", state=State.MISSING, found=name, hint=hint)


def arm64(facts: Facts) -> Capability:
    """Whether arm64 cells can run here: native, or through qemu-user in any container."""
    name, handler = "arm64 cells", facts.arm64.handler
    if facts.arm64.native:
        return Capability(name=name, state=State.OK, found="native", required=False)
    if handler is None:
        found = "no binfmt_misc handler for arm64's programs"
        return Capability(name=name, state=State.MISSING, found=found, hint=SETUP, required=False)
    if facts.arm64.works:
        found = f"emulated by {handler.interpreter} (flags {handler.flags})"
        return Capability(name=name, state=State.OK, found=found, required=False)
    found = f"{handler.interpreter} with flags {handler.flags}, which works in this host's own root only"
    return Capability(name=name, state=State.DEGRADED, found=found, hint=SETUP, required=False)


def mmdebstrap(facts: Facts) -> Capability:
    """What makes base root filesystems: mmdebstrap, and the keys it checks Debian's archive with."""
    name, keyring = "mmdebstrap", facts.found.get("debian-archive-keyring")
    program = facts.found.get("mmdebstrap")
    if program is None:
        return Capability(name=name, state=State.MISSING, found="not installed", hint=SETUP)
    said = process.run([program, "--version"], hint=LOOK_HINT, timeout=probe.LOOK).text.strip()
    if keyring is None:
        return Capability(name=name, state=State.MISSING, found=f"{said}, without Debian's keys", hint=SETUP)
    return Capability(name=name, state=State.OK, found=f"{said}, keys {keyring}")


def npm(facts: Facts) -> Capability:
    """What fetches the toolchains that bring glibc 2.17."""
    program = facts.found.get("npm")
    if facts.machine in ARM64_NAMES:
        said = "not needed: the toolchains of glibc 2.17 run on x86_64 only"
        return Capability(name="npm", state=State.OK, found=said, required=False)
    if program is None:
        return Capability(
            name="npm", state=State.MISSING, found="not installed: no glibc 2.17", hint=SETUP, required=False
        )
    try:
        told = process.run([program, "--version"], check=False, hint=LOOK_HINT, timeout=probe.LOOK)
    except ToolError as error:
        return Capability(name="npm", state=State.DEGRADED, found=str(error), hint=LOOK_HINT, required=False)
    return Capability(name="npm", state=State.OK, found=told.text.strip(), required=False)


def maven(facts: Facts) -> Capability:
    """What downloads the interpreters that are archives. Setup leaves it out: it needs a Java runtime."""
    program = facts.found.get("maven")
    if program is None:
        return Capability(
            name="maven",
            state=State.MISSING,
            found="not installed: no interpreters that are archives",
            hint="apt-get install maven",
            required=False,
        )
    return Capability(name="maven", state=State.OK, found=program, required=False)


def collection(facts: Facts) -> Capability:
    """Whether a core that is written on this host is stored and can be found."""
    name, state = "core collection", facts.collection
    if facts.platform.contained:
        hint = "run crashmatrix on that host itself"
        found = "this is a container: the kernel hands cores to the host outside"
        return Capability(name=name, state=State.MISSING, found=found, hint=hint)
    lacks = [
        text
        for text, here in (
            (f"core_pattern is {state.pattern}", state.piped),
            ("nobody serves systemd-coredump's socket", state.coredump_served),
            ("nobody serves the journal", state.journald_served),
        )
        if not here
    ]
    if lacks:
        return Capability(name=name, state=State.MISSING, found="; ".join(lacks), hint=SETUP)
    if state.storage != "external":
        found = f"systemd-coredump, but Storage={state.storage} keeps no files"
        hint = f"set Storage=external under [Coredump] in {DROP_IN}"
        return Capability(name=name, state=State.MISSING, found=found, hint=hint)
    return Capability(name=name, state=State.OK, found="systemd-coredump and the journal are served")


def core_room(facts: Facts) -> Capability:
    """Whether systemd-coredump keeps the cores that it stores until they are read."""
    name, room = "room for cores", facts.collection.store
    if room is None:
        return Capability(name=name, state=State.DEGRADED, found="not known", hint=LOOK_HINT, required=False)
    found = f"{_gib(room.free)} free at {room.folder}; KeepFree={_gib(room.keep_free)}"
    found += f", MaxUse={_gib(room.max_use)}"
    if not enough_room(room):
        hint = f"make room, or {SETUP}, which sets KeepFree= and MaxUse= in {DROP_IN} where that helps"
        what = f"systemd-coredump soon deletes cores: {found}"
        return Capability(name=name, state=State.DEGRADED, found=what, hint=hint, required=False)
    return Capability(name=name, state=State.OK, found=found, required=False)


def pipe_limit(facts: Facts) -> Capability:
    """How many simultaneous crashes keep their cores."""
    limit = facts.collection.pipe_limit
    if enough_pipes(limit):
        return Capability(name="core_pipe_limit", state=State.OK, found=str(limit))
    loss = "the kernel drops the cores of more simultaneous crashes"
    if limit == 0:
        loss = "the kernel does not wait for a core to be read"
    return Capability(name="core_pipe_limit", state=State.DEGRADED, found=f"{limit}: {loss}", hint=SETUP)


def gdb() -> Capability:
    """The debugger, and whether it can be scripted in Python."""
    program = process.find("gdb-multiarch") or process.find("gdb")
    if program is None:
        return Capability(name="gdb", state=State.MISSING, found="not installed", hint=SETUP)
    ask = [program, "-nx", "-batch", "-ex", "python print(gdb.VERSION)"]
    said = process.run(ask, check=False, timeout=probe.LOOK, hint=LOOK_HINT)
    if said.status == 0 and said.text.strip():
        found = f"{program} {said.text.strip()} with Python"
        if probe.knows_arm64(program):
            return Capability(name="gdb", state=State.OK, found=found)
        return Capability(
            name="gdb", state=State.DEGRADED, found=f"{found}, reads no arm64 cores", hint=SETUP
        )
    found = f"{program} without Python scripting"
    return Capability(name="gdb", state=State.MISSING, found=found, hint="install Debian's gdb-multiarch")


def pystack() -> Capability:
    """The reader of Python frames, a package of this program's own environment."""
    try:
        importlib.import_module("pystack._pystack")
    except ImportError as error:
        hint = "install it beside crashmatrix: `pip install pystack`"
        return Capability(name="pystack", state=State.MISSING, found=str(error), hint=hint, required=False)
    version = importlib.metadata.version("pystack")
    return Capability(name="pystack", state=State.OK, found=version, required=False)


def confinement() -> Capability:
    """Whether programs that read hostile cores can be kept from the rest of this host."""
    name, lacks = "confinement of gdb", jail.shortcomings()
    if not lacks:
        said = "Landlock, a filter of system calls, no privileges"
        return Capability(name=name, state=State.OK, found=said, required=False)
    hint = "boot a kernel with Landlock, install libseccomp2, or read only cores of programs that you trust"
    return Capability(name=name, state=State.DEGRADED, found="; ".join(lacks), hint=hint, required=False)


def work_limit(facts: Facts) -> Capability:
    """Whether a cell can fill this host's disk through its /work."""
    name = "limit of /work"
    if facts.engine.unlimited is None:
        return Capability(
            name=name, state=State.OK, found="a disk of 1 GiB for each container", required=False
        )
    hint = (
        "install e2fsprogs and mount, load the module `loop`, or run only code that you trust with the disk"
    )
    return Capability(
        name=name, state=State.DEGRADED, found=facts.engine.unlimited, hint=hint, required=False
    )


def root() -> Capability:
    """Root, for mmdebstrap and for reading cores and the journal."""
    if probe.may_become_root():
        return Capability(name="root", state=State.OK, found="root" if process.is_root() else "sudo -n")
    found, hint = "not root, and `sudo -n` is refused", process.ROOT_HINT
    return Capability(name="root", state=State.MISSING, found=found, hint=hint)


def disk(name: str, folder: Path) -> Capability:
    """Free space where a folder lies or will lie."""
    place = next(path for path in (folder, *folder.parents) if path.exists())
    return _amount(name, shutil.disk_usage(place).free, DISK_LEAST, DISK_WANTED, f"free at {place}")


def memory() -> Capability:
    """Memory that programs can get without swapping."""
    text = Path("/proc/meminfo").read_text()
    found = re.search(r"^MemAvailable: +(\d+) kB$", text, re.MULTILINE)
    return _amount("memory", int(found[1]) << 10 if found else 0, MEMORY_LEAST, MEMORY_WANTED, "available")


def _amount(name: str, free: int, least: int, wanted: int, what: str) -> Capability:
    state = State.OK if free >= wanted else State.DEGRADED if free >= least else State.MISSING
    hint = "" if state is State.OK else f"make room: {_gib(wanted)} are wanted"
    return Capability(name=name, state=state, found=f"{_gib(free)} {what}", hint=hint)


def _gib(amount: int) -> str:
    return f"{amount / (1 << 30):.1f} GiB"


def _engine_root(facts: Facts) -> Path:
    known = facts.engine.info.root if facts.engine.info else ""
    return Path(known or "/var/lib/docker")
