"""Real runs on the real engine."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.adapters.engine import Engine
from orchestrator.model import Crash
from orchestrator.pipeline import analyze
from orchestrator.pipeline.analyze import AnalyzeRequest, analyze_core
from tests.integration.dying import Read, build, die
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


@pytest.fixture(autouse=True)
def fresh_stacks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test is told what another one's core had."""
    monkeypatch.setattr(analyze, "STACKS", str(tmp_path / "stacks"))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project that a test may change; images are rebuilt only where their files change."""
    copy = tmp_path / "project"
    for name in ("scenarios", "images"):
        shutil.copytree(ROOT / name, copy / name)
    shutil.copy(ROOT / "matrix.yaml", copy)
    return copy


@pytest.fixture(scope="session")
def image(engine: Engine, smoke_run: Run) -> str:
    assert smoke_run.code == 0, smoke_run.stdout + smoke_run.stderr
    return build(engine)


@pytest.fixture(scope="session")
def core_of(engine: Engine, image: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """The stored core of a command, made at the first call."""
    made: dict[tuple[str, ...], Path] = {}
    folder = tmp_path_factory.mktemp("faults")

    def core_of(*command: str) -> Path:
        if command not in made:
            made[command] = die(engine, image, folder / str(len(made)), *command)
        return made[command]

    return core_of


@pytest.fixture
def read_best(core_of: Callable[..., Path], image: str) -> Read:
    """Reads the core of a command by the backends that are best for it."""

    def read_best(*command: str) -> Crash:
        return analyze_core(AnalyzeRequest(core=str(core_of(*command)), image=image))

    return read_best


@pytest.fixture
def read(core_of: Callable[..., Path], image: str) -> Read:
    def read(*command: str, backend: str) -> Crash:
        request = AnalyzeRequest(core=str(core_of(*command)), image=image, backends=(backend, "pystack"))
        crash = analyze_core(request)
        assert crash.backends[backend], crash.warnings
        assert crash.sources["native"] == backend
        return crash

    return read
