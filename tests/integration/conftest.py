"""Real runs on the real engine."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.tools.engine import Engine
from tests.integration.runs import ROOT, Run


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    connected = Engine.connect()
    yield connected
    connected.close()


@pytest.fixture(scope="session")
def base_image(smoke_run: Run) -> str:
    """The image id of a cell with CPython 3.11 on glibc 2.36."""
    assert smoke_run.code == 0, smoke_run.stdout + smoke_run.stderr
    image = smoke_run.results["tls-atexit/py3.11-glibc2.36-x86_64-plain-cpp"].image_id
    assert image is not None
    return image


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project, to be changed by a test; its images are the same until their files change."""
    copy = tmp_path / "project"
    for name in ("scenarios", "images"):
        shutil.copytree(ROOT / name, copy / name)
    shutil.copy(ROOT / "matrix.yaml", copy)
    return copy
