"""glibc 2.17 with a portable CPython, for real; and the full matrix, planned and found in a moment."""

import gzip
import hashlib
import json
import re
import shutil
import threading
from pathlib import Path
from typing import Any

import docker
import pytest
from requests import PreparedRequest, Response, Session

from orchestrator import images
from orchestrator.adapters.engine import Engine
from orchestrator.adapters.engine import images as engine_images
from orchestrator.matrix import Request
from orchestrator.model import CoreState, Verdict
from orchestrator.pipeline.planning import make_plan
from orchestrator.pipeline.projects import Project
from tests.integration.runs import ROOT, Run, run

USUAL = "tls-atexit/py3.11-glibc2.17-x86_64-uwsgi-cpp"
DEFERRED = f"{USUAL}+defer=request"


@pytest.fixture(scope="module")
def oldest_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """uWSGI and the C++ probe on glibc 2.17, with the first touch while loading and in a request."""
    selection = ("--profile", "oldest", "--launcher", "uwsgi", "--probe", "cpp")
    return run(*selection, reports=tmp_path_factory.mktemp("oldest"))


def test_on_the_oldest_glibc_the_first_touch_decides(oldest_run: Run) -> None:
    assert oldest_run.code == 0, oldest_run.stdout + oldest_run.stderr
    seen = {cell: result.trials[0].outcome.signal for cell, result in oldest_run.results.items()}
    assert seen == {USUAL: None, DEFERRED: "SIGABRT"}  # uWSGI's own handler raises it after the fault
    for result in oldest_run.results.values():
        assert result.judgement.verdict is Verdict.PASS
        assert result.trials[0].outcome.versions == {"python": "3.11.2", "glibc": "2.17"}


def test_the_core_from_the_oldest_glibc_is_read_with_names_and_lines(oldest_run: Run) -> None:
    (trial,) = oldest_run.results[DEFERRED].trials
    assert trial.core.state is CoreState.FOUND
    assert trial.crash is not None
    assert trial.crash.signal.name == "SIGSEGV"
    crashed = trial.crash.crashed_thread
    assert crashed is not None
    by_module: dict[str, set[str]] = {}
    for frame in crashed.native:
        if frame.function and frame.exact and frame.line:
            by_module.setdefault(Path(frame.module or "").name, set()).add(frame.function)
    assert "atexit_handler" in by_module["tlsprobe.abi3.so"]
    assert "Py_FinalizeEx" in by_module["libpython3.11.so.1.0"]
    assert "__GI_exit" in by_module["libc-2.17.so"]
    assert "uwsgi_plugins_atexit" in by_module["uwsgi"]


@pytest.fixture
def archive(engine: Engine, oldest_run: Run, tmp_path: Path) -> Path:
    """An interpreter's archive of the shape of python-build-standalone's, made of the portable one."""
    assert oldest_run.code == 0
    (tag,) = {spec.tag for spec in make_plan(Project.load(ROOT), Request(profile="oldest")).specs
              if spec.role == "python-3-11-2"}  # fmt: skip
    client = docker.DockerClient(base_url=engine.endpoint)
    container = client.containers.create(tag, ["-"])
    try:
        chunks, _ = container.get_archive("/opt/crashmatrix/python")
        path = tmp_path / "cpython-3.11.2-install_only.tar.gz"
        with gzip.open(path, "wb", compresslevel=1) as out:
            out.writelines(chunks)
    finally:
        container.remove()
        client.close()
    return path


def test_an_archive_of_this_host_is_an_interpreter_like_any_other(
    archive: Path, project: Path, tmp_path: Path
) -> None:
    catalogue, lock = project / "images/catalogue.yaml", project / "images/lock.yaml"
    text = catalogue.read_text()
    portable = '{kind: portable, version: "3.11.2", source: cpython,'
    assert portable in text
    text = text.replace(portable, '{kind: archive, version: "3.11.2", source: cpython-archive,')
    shutil.copy(archive, project / "images" / archive.name)
    wanted = f'  - {{name: cpython-archive, version: "3.11.2", source: file, path: {archive.name}}}\n'
    catalogue.write_text(text.replace("\ndownloads:\n", f"\ndownloads:\n{wanted}"))
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    pin = f"- name: cpython-archive\n  version: 3.11.2\n  filename: {archive.name}\n  sha256: {digest}\n"
    lock.write_text(lock.read_text().replace("\ndownloads:\n", f"\ndownloads:\n{pin}"))
    done = run("--cell", USUAL, reports=tmp_path / "reports", project=project)
    assert done.code == 0, done.stdout + done.stderr
    (made_of,) = json.loads((done.folder / "plan.json").read_text())["cells"]["made_of"]
    assert made_of["interpreter"] == "archive"
    assert done.results[USUAL].trials[0].outcome.versions == {"python": "3.11.2", "glibc": "2.17"}


class Silent:
    """A progress that nobody looks at, of images that are all there."""

    def image_started(self, role: str) -> None:
        raise AssertionError(f"{role} is built again")

    def image_ended(self, role: str, seconds: float, error: str | None) -> None:
        raise AssertionError(f"{role} ended after {seconds} s: {error}")

    def say(self, text: str) -> None:
        raise AssertionError(text)


@pytest.mark.parametrize("few", [False, True])
def test_the_images_of_every_environment_are_found_by_one_request_or_few_by_one_each(
    oldest_run: Run, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, few: bool
) -> None:
    assert oldest_run.code == 0
    there = engine.images()
    asked: list[str] = []
    send = Session.send

    def counted(self: Session, request: PreparedRequest, **options: Any) -> Response:  # noqa: ANN401
        asked.append(request.path_url)
        return send(self, request, **options)

    # One question in every environment: the axes that the stories have of their own would multiply each cell.
    asking = Request(profile="full", axes={"scenario": ("tls-atexit",), "mitigation": ("none",)})
    planned = make_plan(Project.load(ROOT), asking)
    present = [spec for spec in planned.specs if spec.key in there]
    # How many there are depends on what ran before.
    monkeypatch.setattr(engine_images, "ASKED", len(present) - (not few))
    monkeypatch.setattr(Session, "send", counted)
    found = images.build_all(
        engine, present, jobs=1, logs=tmp_path, stop=threading.Event(),
        on_ready=lambda *_: None, progress=Silent(),
    )  # fmt: skip
    each = sorted(f"/images/{spec.tag}/json" for spec in present)
    wanted = each if few else ["/images/json"]
    assert sorted(re.sub(r"^/v[0-9.]+|[?].*", "", path) for path in asked) == wanted
    assert len(planned.plan.cells) > 100
    assert found == {spec.key: there[spec.key] for spec in present}
    assert len(found) > 10


def test_an_interpreter_that_cannot_be_made_fails_its_own_cells_only(project: Path, tmp_path: Path) -> None:
    """One whose build fails, and one whose source cannot be fetched; a third cell needs neither."""
    catalogue, lock = project / "images/catalogue.yaml", project / "images/lock.yaml"
    (project / "images/python/build.sh").write_text("echo no compiler today\nexit 7\n")
    text, pins = catalogue.read_text(), lock.read_text()
    wanted = re.compile(r'urls: \["https://\S+/Python-3\.9\.2\.tar\.xz"\]\n +pool: \S+\n')
    text, changed = wanted.subn('urls: ["http://127.0.0.1:9/Python-3.9.2.tar.xz"]\n', text)
    assert changed == 1
    catalogue.write_text(text)
    lock.write_text(re.sub(r"(filename: Python-3\.9\.2\.tar\.xz\n +sha256: )\w+", rf"\g<1>{'f' * 64}", pins))
    unfetched = USUAL.replace("3.11", "3.9")
    sound = "tls-atexit/py3.11-glibc2.36-x86_64-plain-cpp"
    chosen = ("--cell", USUAL, "--cell", unfetched, "--cell", sound)
    done = run(*chosen, reports=tmp_path / "reports", project=project)
    assert done.code == 3, done.stdout + done.stderr
    results = done.results
    assert {cell: result.judgement.verdict for cell, result in results.items()} == {
        USUAL: Verdict.ERROR, unfetched: Verdict.ERROR, sound: Verdict.PASS,
    }  # fmt: skip
    failed = results[USUAL].judgement.reason
    assert "python-3-11-2" in failed
    assert re.search(r"in Step \d+/\d+ : RUN sh /src/build\.sh 3\.11\.2", failed)
    # Each cell has what the failed step wrote, and names the log; the terminal has it once as it fails.
    assert ": no compiler today; the whole log: " in failed
    building, _, ending = done.stdout.partition("\nPASS ")
    assert building.count("no compiler today") == 1
    assert "did not build: no compiler today" in ending
    (log,) = done.folder.glob("images/python-3-11-2-*/build.log")
    assert str(log) in failed
    assert "no compiler today" in log.read_text()
    assert "Python-3.9.2.tar.xz" in results[unfetched].judgement.reason
    assert not any(results[cell].trials for cell in (USUAL, unfetched))
