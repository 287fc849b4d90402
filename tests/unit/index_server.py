"""A package index on the loopback that wants credentials, with wheels that are made for it."""

import base64
import hashlib
import html
import io
import tarfile
import threading
import zipfile
from collections.abc import Mapping, Sequence
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

import pytest


class _Handler(SimpleHTTPRequestHandler):
    wanted = ""
    broken: set[str] = set()

    def do_GET(self) -> None:
        if self.headers.get("Authorization") != self.wanted:
            self.send_response(401)
            self.send_header("WWW-Authenticate", "Basic")
            self.end_headers()
            return
        if self.path.strip("/").rpartition("/")[2] in self.broken:
            self.send_error(500)
            return
        super().do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


class IndexServer:
    """The Simple API (PEP 503) over a folder."""

    user, secret = "reader", "open-sesame"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.wheels: dict[tuple[str, str], Path] = {}
        self.broken: set[str] = set()
        """Distributions whose page is answered with status 500."""
        (folder / "files").mkdir(parents=True)
        (folder / "simple").mkdir()
        words = base64.b64encode(f"{self.user}:{self.secret}".encode()).decode()
        handler = type("Handler", (_Handler,), {"wanted": f"Basic {words}", "broken": self.broken})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder)))
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def address(self, *, credentials: bool) -> str:
        known = f"{self.user}:{self.secret}@" if credentials else ""
        return f"http://{known}127.0.0.1:{self._server.server_port}/simple"

    def digest(self, name: str, version: str) -> str:
        return hashlib.sha256(self.wheels[name, version].read_bytes()).hexdigest()

    def add_wheel(
        self,
        name: str,
        version: str,
        tag: str,
        *,
        requires: Sequence[str] = (),
        scripts: Mapping[str, str] | None = None,
        files: Mapping[str, str] | None = None,
    ) -> None:
        """Make a wheel and list it."""
        info = f"{name}-{version}.dist-info"
        metadata = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}"]
        metadata += [f"Requires-Dist: {item}" for item in requires]
        content = {
            f"{name}/__init__.py": "def main():\n    pass\n",
            **(files or {}),
            f"{info}/METADATA": "\n".join(metadata) + "\n",
            f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tag}\n",
        }
        if scripts:
            lines = [f"{script} = {entry}" for script, entry in scripts.items()]
            content[f"{info}/entry_points.txt"] = "[console_scripts]\n" + "\n".join(lines) + "\n"
        content[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*content, f"{info}/RECORD"])
        path = self.folder / "files" / f"{name}-{version}-{tag}.whl"
        with zipfile.ZipFile(path, "w") as wheel:
            for file, text in content.items():
                wheel.writestr(file, text)
        self.wheels[name, version] = path
        self._list(name, path)

    def add_sdist(
        self,
        name: str,
        version: str,
        *,
        files: Mapping[str, str],
        requires_python: str | None = None,
        suffix: str = "tar.gz",
    ) -> Path:
        """Make a source distribution of these files, and list it."""
        stem = f"{name}-{version}"
        path = self.folder / "files" / f"{stem}.{suffix}"
        content = {f"{stem}/PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"}
        content |= {f"{stem}/{file}": text for file, text in files.items()}
        if suffix == "zip":
            with zipfile.ZipFile(path, "w") as archive:
                for file, text in content.items():
                    archive.writestr(file, text)
        else:
            with tarfile.open(path, "w:gz") as tar:
                for file, text in content.items():
                    info = tarfile.TarInfo(file)
                    info.size = len(text.encode())
                    tar.addfile(info, io.BytesIO(text.encode()))
        said = f' data-requires-python="{html.escape(requires_python)}"' if requires_python else ""
        self._list(name, path, said)
        return path

    def _list(self, name: str, path: Path, said: str = "") -> None:
        page = self.folder / "simple" / name / "index.html"
        page.parent.mkdir(exist_ok=True)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        link = f'<a href="../../files/{path.name}#sha256={digest}"{said}>{path.name}</a><br>\n'
        page.write_text((page.read_text() if page.exists() else "<!DOCTYPE html>\n") + link)


def use_alone(server: IndexServer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make an index the only one that a test has, with caches of its own."""
    monkeypatch.setenv("UV_DEFAULT_INDEX", server.address(credentials=True))
    monkeypatch.setenv("UV_CACHE_DIR", str(folder / "uv"))
    monkeypatch.setenv("CRASHMATRIX_CACHE", str(folder / "cache"))


def script_project(folder: Path, scenario: str) -> Path:
    """A project of one empty script."""
    (folder / "scenarios").mkdir(parents=True)
    (folder / "matrix.yaml").write_text("schema: 1\n")
    (folder / "repro.py").write_text("")
    (folder / "scenarios" / "repro.yaml").write_text(f"schema: 1\nscript: repro.py\n{scenario}")
    return folder
