"""Reads this host. Changes nothing: sockets are looked up in /proc, not connected to.

A connection to systemd-coredump's socket starts a handler that logs "Coredump file descriptor missing"
(measured), and only root may connect; the kernel's own table says to anyone whether a process listens.
"""

import os
import pwd
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from orchestrator.adapters import process
from orchestrator.adapters.engine import SOCKETS, Engine
from orchestrator.errors import EngineError, HostError
from orchestrator.host.facts import (
    ARM64_NAMES,
    INITIAL_PID_NAMESPACE,
    Collection,
    Emulation,
    EngineFacts,
    Facts,
    HostPaths,
    Platform,
    Sysctl,
    handler_of_arm64,
    parse_listening,
    parse_os_release,
    parse_start_time,
    parse_storage,
    store_room,
)

EVIDENCE: Final[Mapping[str, tuple[str, ...]]] = {
    "docker.io": ("dockerd", "podman"),
    "docker-cli": ("docker",),
    "mmdebstrap": ("mmdebstrap",),
    "debian-archive-keyring": (
        "/usr/share/keyrings/debian-archive-keyring.gpg",
        "/usr/share/keyrings/debian-archive-keyring.pgp",
    ),
    "gdb-multiarch": ("gdb-multiarch",),
    "systemd-coredump": ("/lib/systemd/systemd-coredump", "/usr/lib/systemd/systemd-coredump"),
    "npm": ("npm",),
    "maven": ("mvn",),
    "ca-certificates": ("/etc/ssl/certs/ca-certificates.crt",),
    "acl": ("setfacl",),
    "qemu-user-static": ("qemu-aarch64-static",),
    "chromium": ("chromium", "chromium-browser", "google-chrome"),
}
"""By Debian package, programs or files; any one of them shows that what it provides is installed."""
CORE_HANDLERS: Final = ("apport", "apport-core-dump-handler", "corekeeper", "minicoredumper")
"""Packages that Conflict with or are replaced by systemd-coredump in Debian and Ubuntu."""
STORE: Final = Path("/var/lib/systemd/coredump")
"""Where systemd-coredump stores cores (systemd-coredump(8))."""
COREDUMP_CONF: Final = (
    "usr/lib/systemd/coredump.conf",
    "etc/systemd/coredump.conf",
    "usr/lib/systemd/coredump.conf.d/*.conf",
    "etc/systemd/coredump.conf.d/*.conf",
)

LOOK: Final = 600.0
"""Seconds after which a program that is only asked something hangs. On an emulated machine beside other work
`npm --version` took over 30."""


def survey(paths: HostPaths) -> Facts:
    """Everything that setup's plan depends on. Reading it takes well under a second."""
    made = (paths.run, paths.log, paths.systemd, paths.systemd / "journal", paths.record.parent)
    return Facts(
        platform=platform(),
        engine=engine(),
        collection=collection(paths),
        machine=os.uname().machine,
        arm64=emulation(paths),
        found=packages(),
        conflicting=installed(CORE_HANDLERS),
        folders=frozenset(folder for folder in made if folder.is_dir()),
    )


def platform() -> Platform:
    """The distribution, PID 1 and the user."""
    fields = parse_os_release(Path("/etc/os-release").read_text())
    name = fields.get("ID", "linux")
    return Platform(
        distribution=name,
        version=fields.get("VERSION_ID", ""),
        family=frozenset({name, *fields.get("ID_LIKE", "").split()}),
        systemd=Path("/run/systemd/system").is_dir(),
        user=_user_name(os.getuid()),
        uid=os.getuid(),
        root=process.is_root(),
        contained=str(Path("/proc/self/ns/pid").readlink()) != INITIAL_PID_NAMESPACE,
    )


def engine() -> EngineFacts:
    """The engine that answers, or why none does."""
    chosen, daemon = os.environ.get("DOCKER_HOST"), _process_named("dockerd")
    try:
        connection = Engine.connect()
    except EngineError as error:
        return EngineFacts(reason=error.what, denied=_denied(), chosen=chosen, daemon=daemon)
    try:
        return EngineFacts(
            endpoint=connection.endpoint,
            info=connection.info(),
            chosen=chosen,
            daemon=daemon,
            unlimited=connection.unlimited,
        )
    finally:
        connection.close()


def collection(paths: HostPaths) -> Collection:
    """What happens to a core: the kernel's settings, and who listens. Raises HostError."""
    sockets = listening(paths)
    try:
        sysctl = {name: (paths.sysctl / name).read_text().strip() for name in Sysctl}
    except OSError as error:
        raise HostError(
            f"the kernel's core settings cannot be read: {error}",
            hint="crashmatrix needs a Linux host with /proc/sys",
        ) from error
    texts = [
        file.read_text(errors="replace")
        for pattern in COREDUMP_CONF
        for file in sorted(Path("/").glob(pattern))
    ]
    texts += [file.read_text(errors="replace") for file in sorted(paths.core_room.parent.glob("*.conf"))]
    place = next(path for path in (STORE, *STORE.parents) if path.exists())
    disk = shutil.disk_usage(place)
    return Collection(
        sysctl=sysctl,
        coredump_served=str(paths.systemd / "coredump") in sockets,
        journald_served=str(paths.systemd / "journal/stdout") in sockets,
        storage=parse_storage(texts),
        store=store_room(texts, str(place), disk.total, disk.free),
    )


def emulation(paths: HostPaths) -> Emulation:
    """How arm64 programs run here."""
    entries = (file for file in paths.binfmt.glob("*") if file.name not in ("register", "status"))
    return Emulation(
        native=os.uname().machine in ARM64_NAMES,
        mounted=(paths.binfmt / "register").exists(),
        handler=handler_of_arm64(file.read_text(errors="replace") for file in entries),
    )


def packages() -> dict[str, str]:
    """Of EVIDENCE, the packages whose service is here, and what shows it."""
    found: dict[str, str] = {}
    for package, signs in EVIDENCE.items():
        here = (sign if Path(sign).exists() else None for sign in signs if sign.startswith("/"))
        programs = (process.find(sign) for sign in signs if not sign.startswith("/"))
        if sign := next((sign for sign in (*here, *programs) if sign), None):
            found[package] = sign
    gdb = process.find("gdb")
    if "gdb-multiarch" not in found and gdb and knows_arm64(gdb):
        found["gdb-multiarch"] = gdb
    return found


def knows_arm64(gdb: str) -> bool:
    """Whether a gdb reads arm64's cores: Debian's own reads the host's alone, other distributions' all."""
    ask = [gdb, "-nx", "-batch", "-ex", "set architecture aarch64"]
    return process.run(ask, check=False, timeout=LOOK, hint="look at what is wrong with gdb").status == 0


def installed(packages: Sequence[str]) -> tuple[str, ...]:
    """Which of these packages are installed; none where there is no dpkg."""
    if process.find("dpkg-query") is None:
        return ()
    query = ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\\n", *packages]
    rows = process.run(query, check=False, timeout=LOOK, hint="see `dpkg --audit`").text.splitlines()
    return tuple(row.split()[0] for row in rows if row.endswith(" installed"))


def listening(paths: HostPaths) -> frozenset[str]:
    """The paths of the unix sockets that a living process listens on."""
    return parse_listening(paths.unix_sockets.read_text(errors="replace"))


def start_time(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; None where it is gone or only a zombie is left."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if stat.rpartition(")")[2].split()[0] == "Z" else parse_start_time(stat)


def boot_id() -> str:
    """The kernel's identifier of this boot; pids and start times mean nothing in another one."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def may_become_root() -> bool:
    """Whether this process is root, or can become root by sudo without a password."""
    if process.is_root():
        return True
    if process.find("sudo") is None:
        return False
    return process.run(["true"], root=True, check=False, timeout=LOOK, hint="see `sudo -n true`").status == 0


def _denied() -> tuple[str, ...]:
    served = listening(HostPaths())
    paths = [path.format(uid=os.getuid()).removeprefix("/var") for path in SOCKETS]
    return tuple(path for path in paths if path in served and not os.access(path, os.R_OK | os.W_OK))


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # containers are often run under a uid that no passwd lists
        return str(uid)


def _process_named(name: str) -> int | None:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "comm").read_text().strip() == name:
                return int(folder.name)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return None
