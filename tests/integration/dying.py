"""Processes that die for real, in containers of an image made for it; their cores as the host has them."""

import io
import json
import tarfile
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from orchestrator.cores import collect
from orchestrator.errors import InputError
from orchestrator.model import LABEL, CoreState, Crash, Outcome, OutcomeKind
from orchestrator.pipeline import Project, make_plan
from orchestrator.plan import Request
from orchestrator.tools.engine import ContainerSpec, Engine
from tests.integration.runs import ROOT

Read = Callable[..., Crash]
"""Reads the core of a command: `read(*command, backend=...)`."""
FAULTS = "/faults/faults"
SOURCES = Path(__file__).with_name("faults")
LABELS = {LABEL: "test"}
CELL = "tls-atexit/py3.11-glibc2.36-x86_64-plain-cpp"
PARENT = """\
import json, os, signal, sys
pid = os.spawnvp(os.P_NOWAIT, sys.argv[1], sys.argv[1:])
status = os.waitpid(pid, 0)[1]
killed = os.WIFSIGNALED(status)
print(json.dumps({"pid": pid, "dumped": os.WCOREDUMP(status),
                  "signal": signal.Signals(os.WTERMSIG(status)).name if killed else None}))
"""


def build(engine: Engine) -> str:
    """The image of all programs; made once, since its tag is the digest of what it is made of."""
    plan = make_plan(Project.load(ROOT), Request(cells=frozenset({CELL})))
    tags = {spec.role: spec.tag for spec in plan.specs}
    base = next(tag for role, tag in tags.items() if role.startswith("base-bookworm"))
    files = {path.name: path.read_bytes() for path in sorted(SOURCES.iterdir())}
    text = files.pop("Dockerfile").decode()
    text = text.replace("${BUILDER}", tags["builder"]).replace("${BASE}", base)
    digest = sha256(repr((text, files)).encode()).hexdigest()
    tag = f"crashmatrix/test-faults:{digest[:16]}"
    try:
        return engine.image_id(tag)
    except InputError:
        context = _tar({"Dockerfile": text.encode(), **files})
        return engine.build(context, tag=tag, labels=LABELS, log=io.StringIO())


def die(engine: Engine, image: str, folder: Path, *command: str) -> Path:
    """Run a command until it dies, in a locked-down container of its own; returns its stored core."""
    hostname, started = f"cm-{uuid.uuid4().hex[:12]}", datetime.now(UTC)
    spec = ContainerSpec(
        image=image, command=("python3", "-c", PARENT, *command), hostname=hostname, labels=LABELS,
        platform="linux/amd64", environment={"SECRET": "hunter2", "LANG": "C.UTF-8"},
    )  # fmt: skip
    written: list[bytes] = []
    container = ""
    try:
        container = engine.create(spec)
        engine.run(container, lambda name, data: written.append(data) if name == "stdout" else None)
    finally:
        if container:
            engine.remove(container)
        engine.remove_volume(hostname)
    fate = json.loads(b"".join(written))
    outcome = Outcome(
        kind=OutcomeKind.SIGNAL, signal=fate["signal"], core_dumped=fate["dumped"], pid=fate["pid"],
        seconds=0.0, started=started.isoformat(), container=container, hostname=hostname, stdout="stdout",
        stderr="stderr",
    )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    core = collect(outcome, folder=folder, root=folder)
    assert core.state is CoreState.FOUND, core.note
    return folder / (core.path or "")


def _tar(files: dict[str, bytes]) -> io.BytesIO:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    out.seek(0)
    return out
