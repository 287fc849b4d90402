"""Real crashing processes in containers of an image of their own, and their cores on the host."""

import io
import json
import shutil
import tarfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from orchestrator.adapters.engine import ContainerSpec, Engine
from orchestrator.cores import collect
from orchestrator.errors import InputError
from orchestrator.execute import emulation
from orchestrator.matrix import Request
from orchestrator.model import LABEL, CoreState, Crash, Outcome, OutcomeKind
from orchestrator.pipeline.planning import make_plan
from orchestrator.pipeline.projects import Project
from tests.integration.runs import ROOT

Read = Callable[..., Crash]
"""Reads the core of a command: `read(*command, backend=...)`."""
FAULTS = "/faults/faults"
SOURCES = Path(__file__).with_name("faults")
LABELS = {LABEL: "test"}
GUESTS = Path(__file__).with_name("guests")
CELL, GUEST_CELL = (f"tls-atexit/py3.11-glibc2.36-{arch}-plain-cpp" for arch in ("x86_64", "arm64"))
HANGS: dict[tuple[str, ...], int] = {
    (FAULTS, "deadlock"): 2,
    (FAULTS, "joined"): 2,
    (FAULTS, "leaving"): 1,
    ("python3", "/faults/hung.py"): 3,
}
"""Commands that do not die, and their threads: when all sleep (or after 60 s) the parent asks for a core."""
PARENT = """\
import glob, json, os, signal, sys, time
threads = int(sys.argv[1])
pid = os.spawnvp(os.P_NOWAIT, sys.argv[2], sys.argv[2:])
def asleep():
    tasks = glob.glob(f"/proc/{pid}/task/*/stat")
    states = [open(name).read().rpartition(")")[2].split()[0] for name in tasks]
    return len(states) == threads and set(states) == {"S"}
quiet, end = 0, time.monotonic() + 60
while threads and quiet < 5 and time.monotonic() < end:
    quiet = quiet + 1 if asleep() else 0
    time.sleep(0.05)
if threads:
    os.kill(pid, signal.SIGABRT)
status = os.waitpid(pid, 0)[1]
killed = os.WIFSIGNALED(status)
print(json.dumps({"pid": pid, "dumped": os.WCOREDUMP(status),
                  "signal": signal.Signals(os.WTERMSIG(status)).name if killed else None}))
"""
GUESTS_PARENT = """\
import glob, json, os, subprocess, sys
for number, command in enumerate(json.loads(sys.argv[1])):
    subprocess.run(command)
    (core,) = glob.glob("qemu_*.core")
    os.rename(core, f"{number}.guest")
"""


def build(engine: Engine) -> str:
    """The image of all programs; built once, since its tag is a digest of its inputs."""
    return _build(engine, SOURCES / "Dockerfile", CELL, "builder")


def build_guests(engine: Engine) -> str:
    """The image of the same programs for arm64, cross-compiled."""
    return _build(engine, GUESTS / "Dockerfile", GUEST_CELL, "builder-for-arm64")


def _build(engine: Engine, recipe: Path, cell: str, builder: str) -> str:
    plan = make_plan(Project.load(ROOT), Request(cells=frozenset({cell})))
    tags = {spec.role: spec.tag for spec in plan.specs}
    base = next(tag for role, tag in tags.items() if role.startswith("base-bookworm"))
    folders = dict.fromkeys((SOURCES, recipe.parent))
    files = {path.name: path.read_bytes() for folder in folders for path in sorted(folder.iterdir())}
    text = files.pop("Dockerfile").decode()
    text = text.replace("${BUILDER}", tags[builder]).replace("${BASE}", base)
    digest = sha256(repr((text, files)).encode()).hexdigest()
    tag = f"crashmatrix/test-faults:{digest[:16]}"
    try:
        return engine.image_id(tag)
    except InputError:
        context = _tar({"Dockerfile": text.encode(), **files})
        return engine.build(context, tag=tag, labels=LABELS, log=io.StringIO())


def die(engine: Engine, image: str, folder: Path, *command: str) -> Path:
    """Run a command that crashes, in a locked-down container of its own; returns its stored core."""
    with died(engine, image, folder, *command) as (core, _):
        return core


@contextmanager
def died(engine: Engine, image: str, folder: Path, *command: str) -> Iterator[tuple[Path, str]]:
    """As `die`, while the container is still there; with its host name."""
    started, threads = datetime.now(UTC), str(HANGS.get(command, 0))
    with _ran(engine, image, "linux/amd64", PARENT, threads, *command) as (container, hostname, said):
        ended = json.loads(said)
        outcome = Outcome(
            kind=OutcomeKind.SIGNAL, signal=ended["signal"], core_dumped=ended["dumped"], pid=ended["pid"],
            seconds=0.0, started=started.isoformat(), container=container, hostname=hostname,
            stdout="stdout", stderr="stderr",
        )  # fmt: skip
        folder.mkdir(parents=True, exist_ok=True)
        core = collect(outcome, folder=folder, root=folder)
        assert core.state is CoreState.FOUND, core.note
        yield folder / (core.path or ""), hostname


def die_emulated(engine: Engine, image: str, folder: Path, commands: Sequence[tuple[str, ...]]) -> list[Path]:
    """Run commands until each dies, one after the other in one arm64 container; the cores that qemu wrote."""
    with _ran(engine, image, "linux/arm64", GUESTS_PARENT, json.dumps(commands)) as (container, _, _):
        for member, content in engine.fetch(container, "/work"):
            with (folder / Path(member.name).name).open("wb") as stream:
                shutil.copyfileobj(content, stream)
    return [folder / f"{number}.guest" for number in range(len(commands))]


@contextmanager
def _ran(
    engine: Engine, image: str, platform: str, program: str, *arguments: str
) -> Iterator[tuple[str, str, bytes]]:
    """A container that a Python program has run in, its name, and what it wrote to stdout."""
    hostname = f"cm-{uuid.uuid4().hex[:12]}"
    spec = ContainerSpec(
        image=image, command=("python3", "-c", program, *arguments), hostname=hostname, labels=LABELS,
        platform=platform, environment={"SECRET": "hunter2", "LANG": "C.UTF-8", **emulation.ENVIRONMENT},
    )  # fmt: skip
    written: list[bytes] = []
    container = ""
    try:
        container = engine.create(spec)
        engine.run(container, lambda name, data: written.append(data) if name == "stdout" else None)
        yield container, hostname, b"".join(written)
    finally:
        if container:
            engine.remove(container)
        engine.remove_volume(hostname)


def _tar(files: dict[str, bytes]) -> io.BytesIO:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    out.seek(0)
    return out
