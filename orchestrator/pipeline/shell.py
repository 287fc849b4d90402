"""`crashmatrix shell`: a shell in the environment of a cell that ran, with gdb and its core."""

import io
import shlex
import tarfile
import tempfile
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from orchestrator.adapters.engine import ContainerSpec, Engine
from orchestrator.binary.core.unpack import plain_core
from orchestrator.errors import BuildError, EngineError
from orchestrator.execute import owner_labels
from orchestrator.model import Arch
from orchestrator.pipeline.recorded import RecordedCell
from orchestrator.supervisor.paths import HOME, PROJECT, SCENARIO, WORK

CORE: Final = "core"
MOST_CORE: Final = 512 << 20
"""Bytes of a core that is copied: the work volume holds twice as much."""
DISK: Final = 2 << 30
WITH_GDB: Final = """\
FROM {platform}{tag}
USER root
RUN apt-get -qq update \\
 && DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends gdb \\
 && rm -rf /var/lib/apt/lists/*
USER 1000:1000
"""
START: Final = f"""\
if [ "$CRASHMATRIX_COPIED" = 1 ]; then cp -R {HOME}/{SCENARIO} {PROJECT}; cd {PROJECT}; fi
if command -v bash > /dev/null; then exec bash --norc; fi
exec sh
"""


def open_shell(recorded: RecordedCell, terminal: int, say: Callable[[str], None]) -> int:
    """Start a shell where the cell's process ran, under the same limits; returns its exit status.

    `terminal` is the descriptor of the user's. The container is removed afterwards.
    """
    engine = Engine.connect()
    try:
        image, host = recorded.image(engine), Arch.from_machine(engine.info().arch)
        debugger = _with_gdb(engine, recorded, host, say)
        name = f"cm-{uuid.uuid4().hex[:12]}"
        container = engine.create(_spec(recorded, debugger or image, name, host))
        try:
            with _core(recorded) as core:
                if core:
                    engine.put(container, WORK, core, CORE)
                for line in _words(recorded, host, core=core is not None, gdb=debugger is not None):
                    say(line)
            return engine.interact(container, terminal)
        finally:
            engine.discard(name)
    finally:
        engine.close()


def _spec(recorded: RecordedCell, image: str, name: str, host: Arch) -> ContainerSpec:
    command, code = recorded.command(host), recorded.scenario.code
    copied = "1" if code and code.is_copied else "0"
    own = {"HOME": WORK, "TERM": "xterm", "PS1": "cell$ ", "CRASHMATRIX_COPIED": copied}
    return ContainerSpec(
        image=image,
        command=("sh", "-c", START),
        hostname=name,
        platform=command.cell.arch.platform,
        labels=owner_labels(recorded.run.path.name, command.cell, 0),
        environment={**command.environment(to_file=False), **command.env, **own},
        work=WORK,
        network=command.network,
        memory=command.memory,
        disk=DISK,
        terminal=True,
    )


def _with_gdb(engine: Engine, recorded: RecordedCell, host: Arch, say: Callable[[str], None]) -> str | None:
    """The cell's image with gdb in it, made once; None where it has no apt, or no network."""
    cell, tag = recorded.planned.cell, f"{recorded.image_tag}-gdb"
    key = f"{recorded.planned.image}-gdb"
    if found := engine.built(tag, key):
        return found
    platform = "" if cell.arch is host else f"--platform={cell.arch.platform} "
    text = WITH_GDB.format(platform=platform, tag=recorded.image_tag)
    say("installing gdb into a copy of the cell's image, once")
    with tempfile.TemporaryFile() as context, tempfile.TemporaryFile("w+", encoding="utf-8") as log:
        with tarfile.open(fileobj=context, mode="w") as tar:
            info = tarfile.TarInfo("Dockerfile")
            info.size = len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
        context.seek(0)
        try:
            return engine.build(context, tag=tag, labels=engine.key_labels(key), log=log)
        except (BuildError, EngineError) as error:
            say(f"gdb is not there: {error.what.splitlines()[0]}")
            return None


@contextmanager
def _core(recorded: RecordedCell) -> Generator[Path | None]:
    """The core of the first trial that left one, unpacked; None without one, or for one that is too large."""
    named = (core.path for trial in recorded.result.trials for core, _ in trial.cores if core.path)
    path = next((found for name in named if (found := recorded.data.inside(name))), None)
    if path is None:
        yield None
        return
    with plain_core(path) as plain:
        yield plain if plain.stat().st_size <= MOST_CORE else None


def _words(recorded: RecordedCell, host: Arch, *, core: bool, gdb: bool) -> Iterator[str]:
    """The message before the shell starts."""
    command, result = recorded.command(host), recorded.result
    yield f"{recorded.planned.cell.id}: {result.judgement.reason}"
    yield f"what runs: {command.target.kind} {shlex.join([command.target.file, *command.target.arguments])}"
    if core:
        yield f"its core: {WORK}/{CORE}" + (
            f'; `gdb "$(readlink -f "$(command -v python3)")" {WORK}/{CORE}`' if gdb else ""
        )
    elif any(item.path for trial in result.trials for item, _ in trial.cores):
        yield f"its core is larger than {MOST_CORE >> 20} MB, or is gone; `crashmatrix analyze` reads it"
    yield "`exit` ends the shell, and removes the container"
