"""A cell's folder, run by Docker alone, crashes as the cell did. Local images stand in for public ones."""

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.adapters import apt
from orchestrator.adapters.network import proxies
from orchestrator.model import CellResult
from tests.integration.intercepting import intercepting
from tests.integration.runs import ROOT, command, run
from tests.integration.test_packages import HERE, only, project
from tests.unit.index_server import IndexServer

CRASHY = "import ctypes\n\ndef crash():\n    ctypes.string_at(16)\n"
APPLICATION = """\
import ctypes

def application(environ, start_response):
    ctypes.string_at(16)
"""


@contextmanager
def standing_in(folder: Path, image: str) -> Iterator[str]:
    """The image that the folder's Dockerfile names, or a local one under its name where it is not here."""
    (name,) = re.findall(r"^FROM --platform=\S+ (\S+)$", (folder / "Dockerfile").read_text(), re.MULTILINE)
    is_here = subprocess.run(["/usr/bin/docker", "image", "inspect", name], capture_output=True, check=False)
    if is_here.returncode == 0:
        yield name
        return
    subprocess.run(["/usr/bin/docker", "tag", image, name], check=True)
    try:
        yield name
    finally:
        subprocess.run(["/usr/bin/docker", "rmi", "--no-prune", name], check=True, capture_output=True)


def repro(folder: Path, reports: Path, cell: str, into: Path) -> Path:
    line = command("repro", cell, "--reports", reports, "--into", into, project=folder)
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == f"wrote {into}; next: `sh {into}/run.sh`\n"
    return into


def base_of(reports: Path, result: CellResult) -> str:
    """The tag of the base that a cell stands on."""
    (plan,) = reports.glob("*/plan.json")
    images = {item["key"]: item for item in json.loads(plan.read_text())["images"]}
    pending = [result.image]
    while pending:
        image = images[pending.pop()]
        if image["role"].startswith("base-"):
            return str(image["tag"])
        pending += image["parents"]
    raise AssertionError("no base")


def run_it(into: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    given = [word for name, value in proxies().items() for word in ("--build-arg", f"{name}={value}")]
    return subprocess.run(
        ["/bin/sh", str(into / "run.sh"), *given, *arguments], capture_output=True, text=True, check=False
    )


def test_a_cell_with_a_package_crashes_alike_on_the_public_image_that_its_base_is(tmp_path: Path) -> None:
    assert apt.mirrors()
    with IndexServer(tmp_path / "index") as served:
        served.add_wheel("crashy", "1.0", "py3-none-any", files={"crashy/__init__.py": CRASHY})
        index = served.address(credentials=True)
        env = {"UV_DEFAULT_INDEX": index, "UV_CACHE_DIR": str(tmp_path / "uv")}
        folder = project(
            tmp_path / "project",
            "requires: [crashy]\narguments: ['it''s; $HOME']\nenv: {WORD: '\"$1\\'}\n",
            {"repro.py": "import os, sys, crashy\nprint(sys.argv[1], os.environ['WORD'])\ncrashy.crash()\n"},
        )
        reports = tmp_path / "reports"
        result = only(run(*HERE, "--launcher", "plain", reports=reports, project=folder, env=env))
        into = repro(folder, reports, result.cell.id, tmp_path / "repro")
        assert sorted(path.name for path in into.iterdir()) == [
            "Dockerfile", "README.md", "files", "requirements.txt", "run.sh", "wheels",
        ]  # fmt: skip
        assert not any(served.secret in path.read_text() for path in into.rglob("*") if path.is_file())
        # The reader of the folder sits behind a proxy that reads along, whose authority no image knows.
        plain = served.address(credentials=False).removesuffix("/simple")
        with (
            standing_in(into, base_of(reports, result)),
            intercepting(tmp_path / "proxy", "packages.example", plain) as proxy,
        ):
            away = index.replace("http:", "https:").replace(plain.partition("//")[2], "packages.example")
            given = {"PIP_INDEX_URL": away, "https_proxy": proxy.address, "HTTPS_PROXY": proxy.address}
            words = [word for item in given.items() for word in ("--build-arg", "=".join(item))]
            refused = run_it(into, "--network", "host", *words)
            assert refused.returncode == 1, refused.stdout + refused.stderr
            (into / "wheels" / "ca.pem").write_bytes(proxy.authority.read_bytes())
            words += ["--build-arg", "PIP_CERT=/packages/ca.pem"]
            done = run_it(into, "--network", "host", *words)
            assert any(path.endswith(".whl") for path in proxy.asked), proxy.asked
    assert done.returncode == 139, done.stdout + done.stderr
    assert "it's; $HOME \"$1\\" in done.stdout
    host = done.stdout.split("COREDUMP_HOSTNAME=")[1].strip()
    (tag,) = re.findall(r"--tag (\S+)", (into / "run.sh").read_text())
    read = subprocess.run(
        command("analyze", f"COREDUMP_HOSTNAME={host}", "--image", tag, "--json", project=folder),
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert read.returncode == 0, read.stderr
    crash = result.trials[0].crash
    assert crash is not None
    assert json.loads(read.stdout)["signature"] == crash.signature
    assert crash.signature in (into / "README.md").read_text()
    subprocess.run(["/usr/bin/docker", "rmi", tag], check=True, capture_output=True)


def test_a_server_travels_in_a_tar_and_its_worker_crashes_alike(tmp_path: Path) -> None:
    folder = project(tmp_path / "project", "", {"app.py": APPLICATION})
    (folder / "scenarios" / "repro.yaml").write_text("schema: 1\nwsgi: app:application\n")
    reports = tmp_path / "reports"
    result = only(run(*HERE, "--launcher", "uwsgi", reports=reports, project=folder))
    crash = result.trials[0].crash or result.trials[0].others[0].crash
    assert crash is not None
    into = repro(folder, reports, result.cell.id, tmp_path / "repro")
    assert (into / "crashmatrix.tar").is_file()
    assert (into / "files" / "app.py").read_text() == APPLICATION
    with standing_in(into, base_of(reports, result)):
        done = run_it(into)
    # uWSGI's own handler ends the worker by SIGABRT.
    assert f'"signal": "{result.trials[0].outcome.signal}"' in done.stdout, done.stdout + done.stderr
    (tag,) = re.findall(r"--tag (\S+)", (into / "run.sh").read_text())
    subprocess.run(["/usr/bin/docker", "rmi", tag], check=True, capture_output=True)
    assert f"`{crash.signature}`" in (into / "README.md").read_text()
