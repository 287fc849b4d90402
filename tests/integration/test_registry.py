"""Bases from an image registry, with Debian's own registry server on the loopback."""

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import docker
import pytest
import requests

from orchestrator.adapters import process
from orchestrator.adapters.engine import Engine
from orchestrator.errors import HostError, ToolError
from orchestrator.model import Arch
from tests.integration.runs import Run, command, run

CELL = "tls-atexit/py3.11-glibc2.36-x86_64-plain-cpp"
CONFIG = """\
version: 0.1
storage: {filesystem: {rootdirectory: %s}}
http: {addr: "%s"}
"""


@dataclass
class Registry:
    """A registry server of this test's own."""

    host: str
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=20)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Debian's docker-registry, unpacked and not installed, which would start it as a service."""
    folder = tmp_path_factory.mktemp("registry")
    process.run(["apt-get", "-qq", "download", "docker-registry"], cwd=folder, hint="run apt-get update")
    (package,) = folder.glob("*.deb")
    process.run(["dpkg-deb", "-x", str(package), str(folder)], hint="")
    return folder / "usr" / "bin" / "docker-registry"


@pytest.fixture
def registry(program: Path, tmp_path: Path) -> Iterator[Registry]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        host = f"127.0.0.1:{probe.getsockname()[1]}"
    config = tmp_path / "registry.yml"
    config.write_text(CONFIG % (tmp_path / "registry", host))
    with (tmp_path / "registry.log").open("wb") as log:
        server = subprocess.Popen([program, "serve", config], stdout=log, stderr=log)
    served = Registry(host=host, process=server)
    deadline = time.monotonic() + 20
    while not _serves(host):
        assert server.poll() is None, (tmp_path / "registry.log").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    yield served
    served.stop()


def _serves(host: str) -> bool:
    try:
        with requests.Session() as session:
            session.trust_env = False  # The loopback is not behind this host's proxy.
            return session.get(f"http://{host}/v2/", timeout=1).ok
    except requests.exceptions.RequestException:
        return False


def crashmatrix(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments, project=project), capture_output=True, text=True, check=False, env=os.environ
    )


def test_what_no_registry_has_is_refused_and_what_none_answers_is_tried_again(
    engine: Engine, registry: Registry
) -> None:
    with pytest.raises(HostError, match="resolving") as refused:
        engine.resolve(f"{registry.host}/bases/none:1")
    assert not isinstance(refused.value, ToolError)
    with pytest.raises(HostError, match="pulling") as refused:
        engine.pull(f"{registry.host}/bases/none@sha256:{'0' * 64}", Arch.X86_64)
    assert not isinstance(refused.value, ToolError)
    registry.stop()
    with pytest.raises(ToolError, match="connection refused"):
        engine.resolve(f"{registry.host}/bases/none:1")


def test_a_base_is_locked_planned_pulled_by_digest_and_run(
    smoke_run: Run, engine: Engine, registry: Registry, project: Path, tmp_path: Path
) -> None:
    name = f"{registry.host}/bases/bookworm"
    digest = push(smoke_run, engine, name)
    catalogue = project / "images" / "catalogue.yaml"
    text = catalogue.read_text().replace("quay.io", registry.host)
    text = text.replace("docker.io/library", f"{registry.host}/library")
    base = f"images: {{x86_64: {name}, arm64: {name}}}, tag: '1', preferred: true"
    before, bookworm = text.split("  - name: bookworm\n")
    registry_of_bookworm = bookworm.index("    registry:\n")
    pythons = bookworm.index("    pythons:\n")
    bookworm = f"{bookworm[:registry_of_bookworm]}    registry: {{{base}}}\n{bookworm[pythons:]}"
    catalogue.write_text(f"{before}  - name: bookworm\n{bookworm}")

    unlocked = crashmatrix(project, "plan", "--cell", CELL)
    assert unlocked.returncode == 2
    assert "no source for glibc 2.36 without an image registry (`crashmatrix images lock`" in unlocked.stderr

    locked = crashmatrix(project, "images", "lock")
    assert f"pinned {name}:1: {digest}" in locked.stdout
    assert f"not resolved: {registry.host}/pypa/manylinux_2_28_x86_64:latest" in locked.stdout
    assert locked.returncode == 3
    assert digest in (project / "images" / "lock.yaml").read_text()

    plan = json.loads(crashmatrix(project, "plan", "--cell", CELL, "--json").stdout)
    assert [made_of["origin"] for made_of in plan["cells"]["made_of"]] == [f"{name}:1"]

    done = run("--cell", CELL, reports=tmp_path / "reports", project=project)
    assert done.code == 0, done.stdout + done.stderr
    (folder,) = (done.folder / "images").glob("base-bookworm-*")
    assert f"FROM {name}@{digest}\n" in (folder / "Dockerfile").read_text()
    assert f"{name}@{digest}" in (folder / "build.log").read_text()

    registry.stop()
    silent = crashmatrix(project, "plan", "--cell", CELL)
    assert silent.returncode == 2
    assert f"without an image registry ({registry.host} does not answer" in silent.stderr
    assert crashmatrix(project, "plan", "--cell", CELL, "--offline").returncode == 0


def push(smoke_run: Run, engine: Engine, name: str) -> str:
    """Push the base that mmdebstrap made, and forget that name of it; returns the digest."""
    plan = json.loads((smoke_run.folder / "plan.json").read_text())
    (base,) = (image["tag"] for image in plan["images"] if image["role"] == "base-bookworm")
    client = docker.DockerClient(base_url=engine.endpoint)
    try:
        client.images.get(base).tag(name, "1")
        said = [
            line["aux"] for line in client.images.push(name, "1", stream=True, decode=True) if "aux" in line
        ]
        client.images.remove(f"{name}:1")
    finally:
        client.close()
    return str(said[-1]["Digest"])
