"""What is done on each machine: the README's commands, by a user with sudo, and what each must show."""

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from orchestrator.matrix import Request
from tests.chaos.table import Row, matched
from tests.hosts.images import tags_of
from tests.hosts.machine import BROUGHT, HOME, NAME, RESULTS, Machine

PROJECT: Final = Path(__file__).parent / "project"
"""One script that crashes, for a machine on which no probe is compiled."""
IN_CHECKOUT: Final = "crashmatrix/tests/hosts/project"
SHOWN: Final = 2000
"""Characters of a failed step's output that the table shows."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """A command of the user's in the checkout, and a pattern that its output matches; it ends with 0."""

    name: str
    command: str
    shows: str = ""


@dataclass(frozen=True, kw_only=True)
class Proof:
    """A machine and the steps on it."""

    title: str
    machine: Machine
    tags: Callable[[], list[str]]
    """The images that the machine is given (those that this host has)."""
    steps: tuple[Step, ...]


HAVE_CORES: Final = "its core arrived|nothing to do"
FACTS: Final = (
    Step(name="PID 1", command="ps -o comm= -p 1; uname -r; id; python3 --version", shows="^systemd\n"),
    Step(name="core_pattern before", command="cat /proc/sys/kernel/core_pattern | tee ~/before"),
)
SETUP: Final = (
    Step(name="setup", command="./nox -s setup", shows=HAVE_CORES),
    Step(name="engine", command="docker version", shows="Server:"),
    Step(name="doctor", command="./nox -s doctor"),
    Step(name="images", command=f"for file in {BROUGHT}/*.tar; do docker load --input $file; done"),
)
CRASH: Final = Step(
    name="one crash with its core",
    command="./nox -s matrix -- --cell tls-atexit/py3.13-glibc2.41-x86_64-uwsgi-cpp",
    shows="SIGSEGV atexit_handler, as expected",
)
UNDO: Final = (
    Step(name="undo", command="./nox -s setup -- --undo"),
    Step(name="core_pattern is as before", command="diff ~/before /proc/sys/kernel/core_pattern"),
    Step(name="setup again", command="./nox -s setup", shows=HAVE_CORES),
)
SMOKE: Final = Step(name="smoke", command="./nox -s matrix", shows="All 12 cells are as expected")
NATIVE: Final = Step(
    name="a native crash",
    command=f"./nox -s matrix -- --project {HOME}/{IN_CHECKOUT} --arch arm64 --reports $PWD/reports",
    shows="SIGSEGV .* as expected",
)
NATIVE_CORE: Final = Step(
    name="its core, read natively",
    command="cat reports/*/cells/*/*/result.json",
    shows='"emulated": false.*"core": ',
)
FETCHED: Final = (
    *("docker.io", "docker-cli", "mmdebstrap", "debian-archive-keyring", "gdb-multiarch"),
    *("systemd-coredump", "acl"),
)
"""What setup installs, in apt's cache from the start."""
PROOFS: Final = {
    "trixie": Proof(
        title="Debian 13 with systemd, a user with sudo, no engine; setup, smoke, undo, setup again",
        # npm is 300 packages, which an emulated machine takes a quarter of an hour to unpack.
        machine=Machine(suite="trixie", packages=("npm",), fetched=(*FETCHED, "qemu-user-static")),
        tags=lambda: tags_of(Request(profile="smoke"), roles=("base-", "probe-", "uwsgi-")),
        steps=(*FACTS, *SETUP, CRASH, *UNDO, SMOKE),  # what takes longest last
    ),
    "arm64": Proof(
        title="an arm64 machine as a whole: a crash is run, collected and read by arm64's own programs",
        machine=Machine(suite="trixie", arch="arm64", packages=FETCHED),
        tags=lambda: tags_of(Request(axes={"arch": ("arm64",)}), roles=("base-",), project=PROJECT),
        steps=(*FACTS, *SETUP, NATIVE, NATIVE_CORE),
    ),
}


def script_of(proof: Proof) -> str:
    """The shell script that root runs at the boot: each step by the user, its output and status to files."""
    lines = [f"cd {RESULTS}"]
    for number, step in enumerate(proof.steps):
        shell = f"cd {HOME}/crashmatrix && {step.command}"
        lines += [
            f"echo 'proof: {step.name}'; date +%s >{number}.began",
            f"{{ su - {NAME} -c {shlex.quote(shell)}; echo $? >{number}.status; }} 2>&1 | tee {number}.log",
            f"date +%s >{number}.ended; sync",
        ]
    return "\n".join([*lines, f"cp -r {HOME}/crashmatrix/reports . ; journalctl -b >journal", "sync", ""])


def rows(proof: Proof, name: str, found: Path) -> list[Row]:
    """What each step showed."""
    return [_row(step, name, found / str(number)) for number, step in enumerate(proof.steps)]


def _row(step: Step, name: str, base: Path) -> Row:
    def text(suffix: str) -> str:
        path = base.with_name(base.name + suffix)
        return path.read_text(encoding="utf-8", errors="replace").strip() if path.exists() else ""

    status, log = text(".status"), text(".log")
    took = int(text(".ended") or 0) - int(text(".began") or 0)
    if status != "0":
        seen = f"status {status or 'none: it did not come so far'}; {log[-SHOWN:]}"
        return Row(part=name, case=step.name, expected=step.command, seen=seen, right=False)
    row = matched(name, step.name, step.shows, log)
    last = " ".join(log.splitlines()[-2:])
    return Row(part=name, case=f"{step.name} ({took} s)", expected=step.command, seen=last, right=row.right)
