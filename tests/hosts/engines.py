"""Engines of another Debian suite on this host: each from a tree of packages, against the integration tests.

An engine has its own mount namespace with the tree as its root, where it finds its helpers and libraries.
The folder of its images and its socket has the same path there as outside: layers are readable by it.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from junitparser import Error, Failure, JUnitXml, TestCase

from orchestrator.adapters import process
from orchestrator.adapters.cache import VARIABLE
from orchestrator.matrix import Request
from tests.chaos.engine import Line, OwnEngine, copy_images, dockerd_options, own_engine
from tests.chaos.table import Row, matched
from tests.hosts.images import tags_of
from tests.hosts.machine import HINT

ROOT: Final = Path(__file__).resolve().parents[2]
SUITE: Final = "sid"
PACKAGES: Final = (
    *("docker.io", "docker-cli", "containerd", "runc", "iptables", "iproute2", "ca-certificates"),
    *("podman", "crun", "catatonit", "netavark", "mount"),
)
TESTS: Final = (
    "tests/integration/test_images.py",
    "tests/integration/test_interruptions.py::test_ctrl_c_drains_and_the_run_can_be_resumed",
)
"""What asks most of an engine: builds and breaking them off, labels, archives of another platform, Ctrl-C."""
BROUGHT: Final = ("base-", "probe-", "uwsgi-")
"""Roles of the images that the engine is given; it builds those of the cells."""
ENTER: Final = """\
set -e
tree=$1 folder=$2
shift 2
mount --bind "$tree" "$tree"  # dockerd unpacks layers where its root is a mount
for name in dev sys proc; do mount --rbind "/$name" "$tree/$name"; done
mount -t tmpfs tmpfs "$tree/run"
mkdir -p "$tree$folder"
mount --rbind "$folder" "$tree$folder"
exec chroot "$tree" "$@"
"""
"""Of a shell in a mount namespace of its own, which ends with the engine: no mount is left on the host."""
CONTAINERS_CONF: Final = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
[network]
firewall_driver = "none"
"""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """An engine of the tree."""

    title: str
    is_podman: bool = False
    features: tuple[str, ...] = ()
    """Of dockerd's configuration file."""
    limits: Mapping[str, str] = field(default_factory=dict)
    """Tests that fail on this engine, and what it does that no client can change (docs/host.md)."""

    def line(self, tree: Path) -> Line:
        """The command that starts it."""
        return lambda folder, bridge: (*_enter(tree, folder), *self._command(folder, bridge))

    def _command(self, folder: Path, bridge: str) -> Sequence[str]:
        if self.is_podman:
            place = ("--root", f"{folder}/disk/podman", "--runroot", f"{folder}/exec")
            return ("podman", *place, "system", "service", "--time=0", f"unix://{folder}/engine.sock")
        settings = folder / "daemon.json"
        settings.write_text(json.dumps({"features": dict.fromkeys(self.features, True)}))
        return ("dockerd", f"--config-file={settings}", *dockerd_options(folder, bridge))


KINDS: Final = {
    "docker": Kind(title=f"Docker of Debian {SUITE}, overlay2"),
    "containerd": Kind(
        title=f"Docker of Debian {SUITE}, containerd's image store", features=("containerd-snapshotter",)
    ),
    "podman": Kind(
        title=f"Podman of Debian {SUITE}, rootful",
        is_podman=True,
        limits={
            "test_a_stopped_build_leaves_no_image_and_no_container": "its build goes on to the step's end"
        },
    ),
}


def _enter(tree: Path, folder: Path) -> tuple[str, ...]:
    return ("unshare", "--mount", "--propagation=private", "sh", "-c", ENTER, "sh", str(tree), str(folder))


def make_tree(tree: Path) -> None:
    """Unpack the packages; a suite's Release file may be past its validity on a slow mirror."""
    options = ("--variant=apt", '--aptopt=Acquire::Check-Valid-Until "false"', "--skip=check/qemu")
    process.run(["mmdebstrap", *options, f"--include={','.join(PACKAGES)}", SUITE, str(tree)], hint=HINT)
    (tree / "etc/containers/containers.conf").write_text(CONTAINERS_CONF, encoding="utf-8")


def prove(name: str, tree: Path, folder: Path, keep: Path) -> list[Row]:
    """Start an engine, give it images, run the smoke profile on it, then integration tests."""
    with own_engine(folder, KINDS[name].line(tree)) as engine:
        copy_images(tags_of(Request(profile="smoke"), roles=BROUGHT), engine)
        with engine.client() as client:
            version, driver = client.version()["Version"], client.info()["Driver"]
        said = Row(part=name, case="version", expected="", seen=f"{version}, {driver}", right=True)
        return [said, _smoke(name, engine, folder, keep), *_tested(name, engine, folder, keep)]


def _environment(engine: OwnEngine, folder: Path) -> dict[str, str]:
    return {"DOCKER_HOST": engine.host, VARIABLE: str(folder / "cache")}


def _smoke(name: str, engine: OwnEngine, folder: Path, keep: Path) -> Row:
    line = [sys.executable, "-m", "orchestrator", "run", "--profile", "smoke", "--reports", str(keep)]
    ran = process.run(line, check=False, env=_environment(engine, folder), cwd=ROOT, hint=HINT)
    (keep / "smoke.log").write_bytes(ran.stdout)
    return matched(name, "smoke", "All 12 cells are as expected", ran.text + ran.complaint)


def _tested(name: str, engine: OwnEngine, folder: Path, keep: Path) -> list[Row]:
    report = keep / f"{name}.xml"
    line = [sys.executable, "-m", "pytest", "-q", f"--junit-xml={report}", *TESTS]
    ran = process.run(line, check=False, env=_environment(engine, folder), cwd=ROOT, hint=HINT)
    (keep / f"{name}.log").write_bytes(ran.stdout)
    return [_row(name, case) for suite in JUnitXml.fromfile(str(report)) for case in suite]


def _row(name: str, case: TestCase) -> Row:
    said = [f"{type(item).__name__.lower()}: {item.message or ''}" for item in case.result]
    failed = any(isinstance(item, (Failure, Error)) for item in case.result)
    limit = KINDS[name].limits.get(str(case.name))
    return Row(
        part=name,
        case=str(case.name),
        expected=f"failed: {limit}" if limit else "passed",
        seen="; ".join(said) or "passed",
        right=failed == (limit is not None),
    )
