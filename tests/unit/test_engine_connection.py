"""Looking for an engine where there is none, or none for this user."""

import gc
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.adapters.engine import Engine, connection
from orchestrator.errors import EngineUnreachableError
from tests.unit.users import plain_user


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Path]:
    """A folder that a plain user may not search, with a socket in it that is served."""
    folder = tmp_path / "closed"
    folder.mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "engine.sock"))
        server.listen()
        folder.chmod(0)
        yield folder
        folder.chmod(0o700)


def why_not() -> str:
    """Why no engine answers; a socket that is left open would warn here, which fails a test."""
    with pytest.raises(EngineUnreachableError) as caught:
        Engine.connect()
    said = caught.value.what
    del caught
    gc.collect()
    return said


def test_a_socket_that_nobody_serves_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "engine.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    assert why_not() == f"no container engine answers: unix://{path} (no answer)"


def test_a_socket_of_somebody_else_is_denied(closed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{closed}/engine.sock")
    with plain_user():
        assert why_not() == f"no container engine answers: unix://{closed}/engine.sock (permission denied)"


def test_a_folder_that_may_not_be_searched_has_no_engine(
    closed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr(connection, "SOCKETS", (str(closed / "engine.sock"),))
    with plain_user():
        assert why_not() == "no container engine answers: no engine socket exists"
