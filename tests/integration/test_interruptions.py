"""Runs that are broken off: by Ctrl-C, by an engine that goes away, by kill -9."""

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrator.execute import remove_leftovers
from orchestrator.execute.leftovers import LABEL_OWNER
from orchestrator.model import CellResult, Verdict
from orchestrator.tools.engine import Engine, endpoints
from tests.integration.runs import ROOT, Run, add_scenario, command, run

DEADLINE = 60.0


def start(
    reports: Path, *arguments: str, project: Path = ROOT, host: str | None = None
) -> subprocess.Popen[str]:
    env = os.environ | ({"DOCKER_HOST": host} if host else {})
    line = command("run", "--reports", reports, *arguments, project=project)
    return subprocess.Popen(
        line, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def results(reports: Path) -> list[CellResult]:
    return [
        CellResult.model_validate_json(path.read_text()) for path in reports.glob("*/cells/**/result.json")
    ]


def wait_until(true: Callable[[], object]) -> None:
    end = time.monotonic() + DEADLINE
    while not true():
        assert time.monotonic() < end, "not within the deadline"
        time.sleep(0.02)


def end(process: subprocess.Popen[str]) -> str:
    said, _ = process.communicate(timeout=DEADLINE)
    return said


def test_ctrl_c_drains_and_the_run_can_be_resumed(smoke_run: Run, tmp_path: Path, engine: Engine) -> None:
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
    assert not engine.label_values(LABEL_OWNER)

    before = {result.cell.id: result.started for result in done}
    again = run("--resume", reports=tmp_path)
    assert again.code == 0, again.stdout + again.stderr
    assert len(again.results) == 12
    assert {name: again.results[name].started for name in before} == before


def test_a_second_ctrl_c_kills_what_hangs(project: Path, tmp_path: Path, engine: Engine) -> None:
    add_scenario(project, "hang", "outcome: hang", timeout=600)
    selection = ("--scenario", "hang", "--glibc", "2.36", "--launcher", "plain", "--probe", "cpp")
    process = start(tmp_path / "reports", *selection, project=project)
    wait_until(
        lambda: [path for path in tmp_path.glob("reports/*/cells/**/stdout.txt") if path.stat().st_size]
    )
    process.send_signal(signal.SIGINT)
    time.sleep(1)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    said = end(process)
    assert process.returncode == 3, said
    assert not engine.label_values(LABEL_OWNER)


def test_what_a_killed_run_left_is_removed_by_the_next(project: Path, tmp_path: Path, engine: Engine) -> None:
    add_scenario(project, "hang", "outcome: hang", timeout=600)
    selection = ("--scenario", "hang", "--glibc", "2.36", "--launcher", "plain", "--probe", "cpp")
    process = start(tmp_path / "reports", *selection, project=project)
    wait_until(
        lambda: [path for path in tmp_path.glob("reports/*/cells/**/stdout.txt") if path.stat().st_size]
    )
    process.kill()
    end(process)
    assert len(engine.label_values(LABEL_OWNER)) == 1
    assert remove_leftovers(engine) == 2  # the container and its volume
    assert not engine.label_values(LABEL_OWNER)


@contextmanager
def cuttable_engine(folder: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    """A way to the real engine that can be cut: to the program that is the engine's death."""
    socket_path = folder / "engine.sock"
    target = endpoints()[0].removeprefix("unix://")
    open_sockets: list[socket.socket] = []
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(socket_path))
    listener.listen(64)

    def pump(source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def serve() -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect(target)
            open_sockets.extend((near, far))
            for pair in ((near, far), (far, near)):
                threading.Thread(target=pump, args=pair, daemon=True).start()

    def cut() -> None:
        socket_path.unlink(missing_ok=True)
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for item in open_sockets:
            with_suppressed_shutdown(item)

    threading.Thread(target=serve, daemon=True).start()
    yield f"unix://{socket_path}", cut


def with_suppressed_shutdown(item: socket.socket) -> None:
    try:
        item.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


def test_an_engine_that_goes_away_is_an_error_and_never_a_crash(
    smoke_run: Run, tmp_path: Path, engine: Engine
) -> None:
    assert smoke_run.code == 0
    short = Path("/tmp") / f"cm-test-{os.getpid()}"  # a socket's path may have 107 characters only
    short.mkdir()
    try:
        with cuttable_engine(short) as (host, cut):
            process = start(tmp_path, host=host)
            wait_until(lambda: len(results(tmp_path)) >= 3)
            cut()
            said = end(process)
    finally:
        shutil.rmtree(short)
        remove_leftovers(engine)
    assert process.returncode == 3, said
    assert "the container engine went away" in said
    assert "Traceback" not in said
    verdicts = [result.judgement.verdict for result in results(tmp_path)]
    assert verdicts.count(Verdict.PASS) >= 3
    assert Verdict.FAIL not in verdicts
    assert 1 <= verdicts.count(Verdict.ERROR) <= 2  # those in flight, two at a time
    assert len(verdicts) < 12
    assert not engine.label_values(LABEL_OWNER)


def test_fail_fast_leaves_the_rest_not_run(project: Path, tmp_path: Path) -> None:
    path = project / "scenarios/tls-atexit/scenario.yaml"
    path.write_text(path.read_text().replace("    status: 0\n", "    status: 7\n", 1))
    ended = run("--fail-fast", "--jobs", "1", reports=tmp_path / "reports", project=project)
    assert ended.code == 1, ended.stdout + ended.stderr
    assert "Stopped early: --fail-fast" in ended.stdout
    assert len(ended.results) < 12
    rerun = run("--rerun", "failed", reports=tmp_path / "reports", project=project)
    assert rerun.code == 1
    assert "12 cells on" in rerun.stdout or "11 cells on" in rerun.stdout


@pytest.mark.parametrize("shards", [2])
def test_shards_merge_into_one_report(smoke_run: Run, tmp_path: Path, shards: int) -> None:
    assert smoke_run.code == 0
    parts = [run("--shard", f"{i}/{shards}", reports=tmp_path / f"part{i}") for i in range(1, shards + 1)]
    assert [part.code for part in parts] == [0] * shards
    line = command("merge", *(part.folder for part in parts), "--into", tmp_path / "merged")
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list((tmp_path / "merged").glob("cells/**/result.json"))) == 12
    alone = command("merge", parts[0].folder, "--into", tmp_path / "alone")
    done = subprocess.run(alone, cwd=ROOT, capture_output=True, text=True)
    assert "Shard 2/2 is missing" in done.stdout
