"""Runs that are broken off: by Ctrl-C, by an engine that goes away, by kill -9."""

import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import docker
import pytest

from orchestrator.adapters.engine import ContainerSpec, Engine, endpoints
from orchestrator.execute import owner_labels, remove_leftovers, remove_own
from orchestrator.execute.leftovers import LABEL_OWNER
from orchestrator.model import LABEL, CellResult, Verdict
from tests.integration.runs import ROOT, Run, add_scenario, command, run
from tests.unit import run_factory as factory

DEADLINE = 60.0
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts runs, and ends those that a failed test has left.

    A shell has what it starts in the background ignore SIGINT, and whatever that starts: a Ctrl-C of these
    tests would be heard by nothing.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    started: list[subprocess.Popen[str]] = []

    def begin(
        reports: Path, *arguments: str, project: Path = ROOT, host: str | None = None
    ) -> subprocess.Popen[str]:
        env = os.environ | ({"DOCKER_HOST": host} if host else {})
        line = command("run", "--reports", reports, *arguments, project=project)
        process = subprocess.Popen(
            line, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()
    signal.signal(signal.SIGINT, before)


def results(reports: Path) -> list[CellResult]:
    return [
        CellResult.model_validate_json(path.read_text()) for path in reports.glob("*/cells/**/result.json")
    ]


def wait_until(true: Callable[[], object]) -> None:
    end = time.monotonic() + DEADLINE
    while not true():
        assert time.monotonic() < end, "not within the deadline"
        time.sleep(0.02)


def left_by(process: subprocess.Popen[str], engine: Engine) -> list[str]:
    """The labels of a run's containers and volumes in the engine."""
    return [owner for owner in engine.label_values(LABEL_OWNER) if f":{process.pid}:" in owner]


def end(process: subprocess.Popen[str]) -> str:
    said, _ = process.communicate(timeout=DEADLINE)
    return said


def test_ctrl_c_drains_and_the_run_can_be_resumed(
    start: Start, smoke_run: Run, tmp_path: Path, engine: Engine
) -> None:
    assert smoke_run.code == 0
    process = start(tmp_path, "--jobs", "1")
    wait_until(lambda: results(tmp_path))
    process.send_signal(signal.SIGINT)
    said = end(process)
    assert process.returncode == 3, said
    assert "Stopped early: interrupted by the user" in said
    done = results(tmp_path)
    assert 1 <= len(done) < 12
    assert {result.judgement.verdict for result in done} == {Verdict.PASS}
    (folder,) = tmp_path.iterdir()
    assert (folder / "index.html").is_file()
    assert "did not run" in said
    assert not left_by(process, engine)

    before = {result.cell.id: result.started for result in done}
    again = run("--resume", reports=tmp_path)
    assert again.code == 0, again.stdout + again.stderr
    assert len(again.results) == 12
    assert {name: again.results[name].started for name in before} == before


def test_a_race_that_was_stopped_has_no_verdict_until_its_trials_are_run(
    start: Start, project: Path, tmp_path: Path
) -> None:
    add_scenario(project, "quiet", "outcome: exit, status: 0, survive: {rate: 0.1}", more="share: 1\n")
    selection = ("--scenario", "quiet", "--glibc", "2.36", "--launcher", "plain", "--probe", "cpp")
    # One container after the other: the second trial's folder is there once the first one has ended.
    process = start(tmp_path / "reports", *selection, "--jobs", "1", project=project)
    wait_until(lambda: [*tmp_path.glob("reports/*/cells/**/trial-2")])
    process.send_signal(signal.SIGINT)
    said = end(process)
    assert process.returncode == 3, said
    (result,) = results(tmp_path / "reports")
    assert result.judgement.verdict is Verdict.ERROR
    assert result.judgement.reason.startswith("stopped after ")
    assert result.judgement.reason.endswith(" of 29 trials")
    again = run("--resume", reports=tmp_path / "reports", project=project)
    assert again.code == 0, again.stdout + again.stderr
    (result,) = again.results.values()
    assert result.judgement.reason.endswith("after 29 trials")


def start_hanging(start: Start, project: Path, tmp_path: Path) -> subprocess.Popen[str]:
    """Start a run of one cell that does not end by itself, and wait for the first output of its process."""
    add_scenario(project, "hang", "outcome: hang", timeout=600)
    selection = ("--scenario", "hang", "--glibc", "2.36", "--launcher", "plain", "--probe", "cpp")
    process = start(tmp_path / "reports", *selection, project=project)
    wait_until(lambda: any(path.stat().st_size for path in tmp_path.glob("reports/*/cells/**/stdout.txt")))
    return process


def test_a_second_ctrl_c_kills_what_hangs(
    start: Start, project: Path, tmp_path: Path, engine: Engine
) -> None:
    process = start_hanging(start, project, tmp_path)
    process.send_signal(signal.SIGINT)
    time.sleep(1)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    said = end(process)
    assert process.returncode == 3, said
    assert not left_by(process, engine)


def test_what_a_killed_run_left_is_removed_by_the_next(
    start: Start, project: Path, tmp_path: Path, engine: Engine
) -> None:
    process = start_hanging(start, project, tmp_path)
    process.kill()
    end(process)
    assert len(left_by(process, engine)) == 1
    assert remove_leftovers(engine) >= 2  # the container and its volume
    assert not left_by(process, engine)


def test_a_run_removes_nothing_of_another_with_its_name(engine: Engine) -> None:
    """Runs of two projects that begin in one second have one name: one that ended took the other's cells."""
    labels = owner_labels("20261130-125835-quick", factory.cell(), 1)
    volumes = {
        "cm-test-own": labels,
        "cm-test-other": labels | {LABEL_OWNER: f"{socket.gethostname()}:1:0"},
    }
    try:
        for name, labelled in volumes.items():
            engine.create_volume(name, 64 << 20, labelled)
        assert remove_own(engine) == 1
        assert f"{socket.gethostname()}:1:0" in engine.label_values(LABEL_OWNER)
    finally:
        for name in volumes:
            engine.remove_volume(name)


def spec_of(image: str, labels: dict[str, str]) -> ContainerSpec:
    """A container with a work volume and a further one."""
    return ContainerSpec(
        image=image, command=("true",), hostname=f"cm-{uuid.uuid4().hex[:12]}", labels=labels,
        platform="linux/amd64", disk=64 << 20, volumes=("/more",),
    )  # fmt: skip


def named(client: docker.DockerClient, spec: ContainerSpec) -> list[str]:
    """The container and volumes of this name in the engine."""
    containers = [item.name or "" for item in client.containers.list(all=True, ignore_removed=True)]
    found = [*containers, *(item.name or "" for item in client.volumes.list())]
    return sorted(name for name in found if name.startswith(spec.hostname))


def test_what_an_engine_forgot_the_labels_of_is_found_by_its_name(engine: Engine, base_image: str) -> None:
    """As of one that died over it: the run's end looked for its label, and removed none of it."""
    spec = spec_of(base_image, {"org.crashmatrix.test": "forgotten"})
    with closing(docker.DockerClient(base_url=engine.endpoint)) as client:
        try:
            engine.create(spec)
            assert named(client, spec) == [spec.hostname, spec.hostname, f"{spec.hostname}-1"]
            remove_own(engine)
            assert named(client, spec) == []
        finally:
            engine.discard(spec.hostname)


def test_a_volume_without_labels_is_made_anew_or_removed_by_the_next_run(engine: Engine) -> None:
    """As of an engine that was killed between the two steps of making one."""
    again, dead, kept = (f"cm-{uuid.uuid4().hex[:12]}" for _ in range(3))
    users = f"{kept}-data"
    with closing(docker.DockerClient(base_url=engine.endpoint)) as client:
        try:
            for name in (again, dead, users):
                client.volumes.create(name)
            engine.create_plain_volume(again, {LABEL: "test"})
            assert client.volumes.get(again).attrs["Labels"] == {LABEL: "test"}
            assert remove_leftovers(engine) >= 1
            found = {volume.name for volume in client.volumes.list()}
            assert found & {again, dead, users} == {again, users}
        finally:
            for name in (again, dead, users):
                engine.remove_volume(name)


def test_a_volume_goes_once_another_process_has_removed_its_container(
    engine: Engine, base_image: str
) -> None:
    """Two runs that start after one that was killed remove the same."""
    name = f"cm-{uuid.uuid4().hex[:12]}"
    with closing(docker.DockerClient(base_url=engine.endpoint)) as client:
        engine.create_plain_volume(name, {LABEL: "test"})
        made = client.containers.create(base_image, ["-"], volumes={name: {"bind": "/data"}})
        other = threading.Timer(1, made.remove)
        other.start()
        engine.remove_volume(name)
        other.join()
        with pytest.raises(docker.errors.NotFound):
            client.volumes.get(name)


def test_a_container_of_a_build_that_may_go_on_is_left_alone(engine: Engine, base_image: str) -> None:
    """Those of builds that ended with their engine are removed, as `nox -s chaos` shows."""
    with closing(docker.DockerClient(base_url=engine.endpoint)) as client:
        made = client.containers.create(base_image, ["-"], labels={LABEL: "image"})
        try:
            assert 0 < engine.since < time.time()
            engine.remove_dead_builds()
            made.reload()
        finally:
            engine.remove(str(made.id))


def test_a_container_whose_making_was_not_answered_is_made_anew(engine: Engine, base_image: str) -> None:
    spec = spec_of(base_image, {LABEL: "test"})
    with closing(docker.DockerClient(base_url=engine.endpoint)) as client:
        try:
            first = client.containers.create(base_image, ["-"], name=spec.hostname).id
            assert engine.create(spec) != first
            assert client.containers.get(spec.hostname).attrs["Config"]["Cmd"] == ["true"]
        finally:
            engine.discard(spec.hostname)
        assert named(client, spec) == []


class Tunnel:
    """A proxy to the real engine that can be cut, which looks to the program like an engine that died."""

    def __init__(self, path: Path) -> None:
        self.host = f"unix://{path}"
        self._target = endpoints()[0].removeprefix("unix://")
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._path = path
        self.open()

    def open(self) -> None:
        """Let connections through, again after a cut."""
        self._pairs.clear()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self._path))
        self._listener.listen(64)
        self._server = threading.Thread(target=self._serve)
        self._server.start()

    def refuse(self) -> None:
        """Take no new connection, as an engine that ends."""
        self._path.unlink(missing_ok=True)
        self._listener.shutdown(socket.SHUT_RDWR)
        self._server.join()
        self._listener.close()

    def cut(self) -> None:
        """Refuse new connections and break those that are open."""
        self.refuse()
        self.drop()

    def drop(self) -> None:
        """Break the connections that are open."""
        for side in (side for pair in self._pairs for side in pair):
            with suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)
            side.close()

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect(self._target)
            self._pairs.append((near, far))
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=_pump, args=(source, sink), daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


def test_an_engine_that_goes_away_is_an_error_and_never_a_crash(
    start: Start, smoke_run: Run, tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert smoke_run.code == 0
    monkeypatch.setenv("CRASHMATRIX_ENGINE_WAIT", "3")
    with tempfile.TemporaryDirectory(prefix="cm-") as short:  # a socket's path has 107 characters at most
        tunnel = Tunnel(Path(short) / "engine.sock")
        process = start(tmp_path, host=tunnel.host)
        wait_until(lambda: len(results(tmp_path)) >= 3)
        tunnel.cut()
        said = end(process)
    remove_leftovers(engine)
    assert process.returncode == 3, said
    assert "the container engine went away" in said
    assert "Traceback" not in said
    verdicts = [result.judgement.verdict for result in results(tmp_path)]
    assert verdicts.count(Verdict.PASS) >= 3
    assert Verdict.FAIL not in verdicts
    assert 1 <= verdicts.count(Verdict.ERROR) <= 4  # two that ran, and two whose containers were being made
    assert len(verdicts) < 12
    assert not left_by(process, engine)


def test_an_engine_that_comes_back_is_waited_for_and_the_verdicts_are_the_same(
    start: Start, smoke_run: Run, tmp_path: Path, engine: Engine
) -> None:
    with tempfile.TemporaryDirectory(prefix="cm-") as short:
        tunnel = Tunnel(Path(short) / "engine.sock")
        process = start(tmp_path, host=tunnel.host)
        wait_until(lambda: len(results(tmp_path)) >= 2)
        tunnel.cut()
        assert process.stdout is not None
        said = ""
        while "does not answer; waiting" not in said:
            said += process.stdout.readline()
        tunnel.open()
        said += end(process)
        tunnel.cut()
    remove_leftovers(engine)
    assert process.returncode == 0, said
    assert said.count("does not answer; waiting") == said.count("answers again") == 1
    found = {result.cell.id: result.judgement for result in results(tmp_path)}
    assert found == {name: result.judgement for name, result in smoke_run.results.items()}


def test_an_engine_that_takes_no_new_connection_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that ends serves those that it has, and each attempt at a cell failed at once."""
    with tempfile.TemporaryDirectory(prefix="cm-") as short:
        tunnel = Tunnel(Path(short) / "engine.sock")
        monkeypatch.setenv("DOCKER_HOST", tunnel.host)
        engine = Engine.connect()
        assert engine.answers()
        tunnel.refuse()
        assert engine._api.ping()
        assert not engine.answers()
        engine.close()
        tunnel.drop()


def test_fail_fast_leaves_the_rest_not_run(project: Path, tmp_path: Path) -> None:
    path = project / "scenarios/tls-atexit/scenario.yaml"
    path.write_text(path.read_text().replace("    status: clean\n", "    status: 7\n", 1))
    ended = run("--fail-fast", "--jobs", "1", reports=tmp_path / "reports", project=project)
    assert ended.code == 1, ended.stdout + ended.stderr
    assert "Stopped early: --fail-fast" in ended.stdout
    results = ended.results
    assert len(results) < 12
    passed = sum(result.judgement.verdict is Verdict.PASS for result in results.values())
    rerun = run("--rerun", "failed", reports=tmp_path / "reports", project=project)
    assert rerun.code == 1
    assert f"{12 - passed} cells on" in rerun.stdout


@pytest.mark.parametrize("shards", [2])
def test_shards_merge_into_one_report(smoke_run: Run, tmp_path: Path, shards: int) -> None:
    assert smoke_run.code == 0
    parts = [run("--shard", f"{i}/{shards}", reports=tmp_path / f"part{i}") for i in range(1, shards + 1)]
    assert [part.code for part in parts] == [0] * shards
    line = command("merge", *(part.folder for part in parts), "--into", tmp_path / "merged")
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list((tmp_path / "merged").glob("cells/**/result.json"))) == 12
    alone = command("merge", parts[0].folder, "--into", tmp_path / "alone")
    done = subprocess.run(alone, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "Shard 2/2 is missing" in done.stdout
