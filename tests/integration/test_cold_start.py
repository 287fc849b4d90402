"""A machine without any image, beside a registry or an archive that has all: nothing is built.

Its engine is its own (tests/chaos/engine.py), with a data root, a socket and a bridge of its own.
"""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.adapters.engine import Engine
from orchestrator.model import Plan
from tests.chaos.engine import OwnEngine, own_engine
from tests.integration.runs import Run, command, run
from tests.integration.test_registry import Registry, program, registry

__all__ = ["program", "registry"]
CELLS = tuple(
    word
    for launcher in ("plain", "uwsgi")
    for word in ("--cell", f"tls-atexit/py3.11-glibc2.36-x86_64-{launcher}-cpp")
)


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[OwnEngine]:
    with own_engine(tmp_path / "engine") as engine:
        with engine.client() as client:
            assert client.images.list(all=True) == []
        yield engine


def logs(done: Run) -> list[str]:
    """The images that a run built."""
    return sorted(path.parent.name for path in done.folder.glob("images/*/build.log"))


@pytest.mark.slow
def test_a_machine_without_images_builds_none_where_a_registry_has_all(
    smoke_run: Run, engine: Engine, registry: Registry, empty: OwnEngine, tmp_path: Path
) -> None:
    assert smoke_run.code == 0
    place = f"{registry.host}/lab/images"
    push(smoke_run, engine, place)
    done = run(*CELLS, "--registry", place, reports=tmp_path / "cold", env={"DOCKER_HOST": empty.host})
    assert done.code == 0, done.stdout + done.stderr
    assert f"{place}: 2 images pulled, 0 pushed." in done.stdout
    assert logs(done) == []
    assert {result.judgement.verdict for result in done.results.values()} == {"pass"}


@pytest.mark.slow
def test_a_machine_without_images_builds_none_where_an_archive_has_all(
    smoke_run: Run, empty: OwnEngine, tmp_path: Path
) -> None:
    assert smoke_run.code == 0
    archive, elsewhere = tmp_path / "images.tar", {**os.environ, "DOCKER_HOST": empty.host}
    subprocess.run(command("images", "save", archive, *CELLS), check=True)
    subprocess.run(command("images", "load", archive, *CELLS), check=True, env=elsewhere)
    done = run(*CELLS, reports=tmp_path / "cold", env={"DOCKER_HOST": empty.host})
    assert done.code == 0, done.stdout + done.stderr
    assert logs(done) == []


def push(smoke_run: Run, engine: Engine, place: str) -> None:
    """Give the registry the images of these cells, as a run that built them would."""
    plan = Plan.model_validate_json((smoke_run.folder / "plan.json").read_text())
    wanted = {item.image for item in plan.cells if item.cell.id in CELLS}
    for image in plan.images:
        if image.key in wanted:
            engine.give(place, image.tag, image.key)
