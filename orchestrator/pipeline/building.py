"""Rendering, building and locking images without running a cell."""

__lazy_modules__ = ("orchestrator",)

import threading
from collections.abc import Callable
from pathlib import Path

from orchestrator import host, images
from orchestrator.adapters.engine import Engine
from orchestrator.errors import CrashmatrixError, InputError
from orchestrator.model import Arch
from orchestrator.pipeline.planning import PlannedRun
from orchestrator.pipeline.progress import Progress


def render_images(planned: PlannedRun, out: Path) -> tuple[Path, ...]:
    """Write every image's Dockerfile under a folder; returns the folders of the images."""
    return tuple(images.render(spec, out) for spec in planned.specs)


def build_images(
    planned: PlannedRun, out: Path, jobs: int, progress: Progress, registry: str | None = None
) -> int:
    """Build missing images; returns the number of images that failed."""
    render_images(planned, out)
    failed: list[str] = []

    def on_ready(key: str, found: str | CrashmatrixError) -> None:
        if isinstance(found, CrashmatrixError):
            failed.append(key)

    engine = Engine.connect()
    try:
        check_host(engine, planned)
        progress.begin(len(planned.specs), 0)
        images.build_all(
            engine,
            planned.specs,
            jobs=jobs,
            logs=out,
            stop=threading.Event(),
            on_ready=on_ready,
            progress=progress,
            registry=registry,
        )
    finally:
        engine.close()
    return len(failed)


def check_host(engine: Engine, planned: PlannedRun) -> None:
    """Raise HostError if an architecture of the plan does not run here; a remote engine is not checked."""
    if engine.endpoint.startswith("unix://"):
        native = Arch.from_machine(engine.info().arch)
        if foreign := {item.cell.arch for item in planned.plan.cells} - {native}:
            host.check_arches(foreign, native)


def lock_images(root: Path, say: Callable[[str], None], *, tags: bool) -> Path:
    """Pin everything that a project's catalogue names; returns the path of the lock.

    With `tags` the engine also resolves the tags of registries' images. Raises InputError for a project
    without a catalogue of its own.
    """
    path, stop = images.catalogue_file(root), threading.Event()
    if path.parent == images.shipped() != (root / "images").absolute():
        raise InputError(
            "this project uses the catalogue that travels with crashmatrix, which is pinned",
            hint=f"for one of its own, copy catalogue.yaml and lock.yaml from {path.parent} to its images/",
        )
    if not tags:
        return images.lock_catalogue(path, None, stop, say)
    engine = Engine.connect()
    try:
        return images.lock_catalogue(path, engine.resolve, stop, say)
    finally:
        engine.close()
