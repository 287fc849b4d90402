"""An image's id by one question over the engine's socket; whatever is unusual is left to the SDK."""

import socketserver
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from orchestrator.adapters.engine import direct

ID = "sha256:" + "5" * 64


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


Serve = Callable[[int, bytes], list[str]]


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Starts an engine that gives each question this status and this answer; returns the paths asked for."""
    servers: list[_Server] = []

    def serve(status: int, answer: bytes) -> list[str]:
        asked: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                pass

            def address_string(self) -> str:
                return "unix"

        path = tmp_path / f"engine-{len(servers)}.sock"
        server = _Server(str(path), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
        return asked

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("debian:12", "/images/debian:12/json"),
        ("registry.example:5000/a/b@sha256:00", "/images/registry.example:5000/a/b%40sha256:00/json"),
        ("a?all=1&x=../..", "/images/a%3Fall%3D1%26x%3D../../json"),
    ],
)
def test_an_image_has_its_id(serve: Serve, name: str, path: str) -> None:
    asked = serve(200, f'{{"Id": "{ID}", "RepoTags": []}}'.encode())
    assert direct.image_id(name) == ID
    assert asked == [path]


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (404, b'{"message": "no such image"}'),
        (500, b"oops"),
        (200, b"no json"),
        (200, b"[]"),
        (200, b"{}"),
        (200, b""),
    ],
)
def test_anything_else_is_for_the_sdk(serve: Serve, status: int, answer: bytes) -> None:
    asked = serve(status, answer)
    assert direct.image_id("debian:12") is None
    assert asked


def test_an_endpoint_that_is_no_socket_and_a_name_that_is_none_are_for_the_sdk(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = serve(200, f'{{"Id": "{ID}"}}'.encode())
    assert direct.image_id("") is None
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    assert direct.image_id("debian:12") is None
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/engine.sock")
    assert direct.image_id("debian:12") is None
    assert not asked
