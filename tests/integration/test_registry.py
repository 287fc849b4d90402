"""Bases from an image registry, with Debian's own registry server on the loopback."""

import json
import os
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
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
    with serving(program, tmp_path) as served:
        yield served


@contextmanager
def serving(program: Path, tmp_path: Path, more: str = "") -> Iterator[Registry]:
    """A registry with more in its configuration, if it must refuse."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        host = f"127.0.0.1:{probe.getsockname()[1]}"
    config = tmp_path / "registry.yml"
    config.write_text(CONFIG % (tmp_path / "registry", host) + more)
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
            return session.get(f"http://{host}/v2/", timeout=1).status_code in (
                HTTPStatus.OK,
                HTTPStatus.UNAUTHORIZED,
            )
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


def new_project(folder: Path) -> Path:
    """A project whose cell's image no engine has; its base is everybody's."""
    folder.mkdir()
    (folder / "repro.py").write_text(f"print('{uuid.uuid4()}')\n")
    axes = 'python: ["3.11"], glibc: ["2.36"], arch: [x86_64], launcher: [plain]'
    (folder / "matrix.yaml").write_text(f"schema: 1\naxes: {{{axes}}}\n")
    (folder / "scenarios").mkdir()
    (folder / "scenarios" / "repro.yaml").write_text("schema: 1\nscript: repro.py\n")
    return folder


def image_of(done: Run) -> tuple[str, Path]:
    """The tag of the cell's image, and the log of its build in this run."""
    plan = json.loads((done.folder / "plan.json").read_text())
    (image,) = (item for item in plan["images"] if item["role"].startswith("cell-"))
    return image["tag"], done.folder / "images" / f"{image['role']}-{image['key'][:16]}" / "build.log"


def test_what_one_machine_built_another_pulls_and_builds_nothing(
    smoke_run: Run, engine: Engine, registry: Registry, tmp_path: Path
) -> None:
    assert smoke_run.code == 0
    project, place = new_project(tmp_path / "new"), f"{registry.host}/lab/images"
    first = run("--registry", place, reports=tmp_path / "first", project=project)
    assert first.code == 0, first.stdout + first.stderr
    assert f"{place}: 0 images pulled, 1 pushed." in first.stdout
    tag, log = image_of(first)
    assert log.exists()
    engine.remove_image(tag)
    second = run("--registry", place, reports=tmp_path / "second", project=project)
    assert second.code == 0, second.stdout + second.stderr
    assert f"{place}: 1 images pulled, 0 pushed." in second.stdout
    assert not image_of(second)[1].exists()
    registry.stop()
    engine.remove_image(tag)
    third = run("--registry", place, reports=tmp_path / "third", project=project)
    assert third.code == 0, third.stdout + third.stderr
    assert f"No image is pulled by {place} any more: {registry.host} does not answer." in third.stdout
    assert image_of(third)[1].exists()
    engine.remove_image(tag)


def test_a_registry_that_refuses_is_said_once_and_the_images_are_built(
    smoke_run: Run, engine: Engine, program: Path, tmp_path: Path
) -> None:
    assert smoke_run.code == 0
    with serving(program, tmp_path, "auth: {silly: {realm: lab, service: lab}}\n") as registry:
        place = f"{registry.host}/lab/images"
        done = run("--registry", place, reports=tmp_path / "runs", project=new_project(tmp_path / "new"))
    assert done.code == 0, done.stdout + done.stderr
    assert done.stdout.count(f"any more: pulling from {place}: ") == 1
    assert done.stdout.count(f"any more: pushing to {place}: ") == 1
    engine.remove_image(image_of(done)[0])


def test_an_image_that_only_claims_a_key_is_not_taken(
    smoke_run: Run, engine: Engine, registry: Registry
) -> None:
    plan = json.loads((smoke_run.folder / "plan.json").read_text())
    base, other = ((item["tag"], item["key"]) for item in plan["images"][:2])
    place = f"{registry.host}/lab/images"
    client = docker.DockerClient(base_url=engine.endpoint)
    try:
        client.images.get(base[0]).tag(place, other[1])
        client.images.push(place, other[1])
        client.images.remove(f"{place}:{other[1]}", noprune=True)
    finally:
        client.close()
    with pytest.raises(HostError, match="another image under"):
        engine.take(place, other[0], other[1])
    assert engine.built(*other) is not None
