"""A Flask application with a helper module and an ini file of its own, under real servers in containers."""

from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.model import CellResult, CoreState, OutcomeKind, Verdict
from tests.integration.runs import Run, run

APPLICATION = """\
import os

from flask import Flask

import helper

application = Flask(__name__)


@application.get("/")
def index():
    return f"served by {os.getpid()}"


@application.get("/crash")
def crash():
    helper.read(16)
"""
HELPER = """\
import ctypes


def read(address):
    return ctypes.string_at(address)
"""
INI = """\
[uwsgi]
master = true
processes = 2
enable-threads = true
"""
SCENARIO = """\
schema: 1
wsgi: app:application
requires: [flask]
files: [app.py, helper.py, uwsgi.ini]
"""
CRASH = "requests: [{path: /}, {path: /crash}, {path: /, count: 4, concurrency: 2}]\n"
UWSGI, GUNICORN = "uwsgi", "gunicorn"


@pytest.fixture
def serve(tmp_path: Path) -> Callable[..., Run]:
    """Runs scenarios of one project, by name, in one environment."""

    def serve(launcher: str, **scenarios: str) -> Run:
        project = tmp_path / "site"
        (project / "scenarios").mkdir(parents=True)
        for name, text in {
            "matrix.yaml": "schema: 1\n", "app.py": APPLICATION, "helper.py": HELPER, "uwsgi.ini": INI,
        }.items():  # fmt: skip
            (project / name).write_text(text)
        for name, text in scenarios.items():
            (project / "scenarios" / f"{name}.yaml").write_text(SCENARIO + text)
        chosen = ("--python", "3.11", "--glibc", "2.36", "--launcher", launcher)
        return run(*chosen, reports=tmp_path / "reports", project=project)

    return serve


def results(ended: Run) -> dict[str, CellResult]:
    assert ended.results, ended.stdout + ended.stderr
    return {result.cell.scenario: result for result in ended.results.values()}


def crashed_in_the_request(result: CellResult, status: int) -> None:
    """A worker died in the request, and its core was read; the others ended as they should."""
    (trial,) = result.trials
    assert result.judgement.verdict is Verdict.FAIL
    assert trial.outcome.kind is OutcomeKind.SIGNAL
    assert trial.outcome.doing == "GET /crash"
    assert trial.outcome.answers == ("GET /crash: the connection ended without an answer",)
    assert trial.core.state is CoreState.FOUND
    assert trial.crash is not None
    assert trial.crash.signal.name == "SIGSEGV"
    assert trial.crash.signal.fault_address == "0x10"
    thread = trial.crash.crashed_thread
    assert thread is not None
    assert {"read", "crash"} <= {frame.function for frame in thread.python}
    others = {(other.role, other.kind, other.status) for other in trial.outcome.others}
    assert others == {("worker", OutcomeKind.EXIT, status), ("server", OutcomeKind.EXIT, 0)}
    # The worker that served on, and the one that replaced the dead one.
    assert [other.role for other in trial.outcome.others].count("worker") == 2


def ended_cleanly(result: CellResult, workers: int) -> None:
    (trial,) = result.trials
    assert result.judgement.verdict is Verdict.PASS, result.judgement.reason
    assert trial.outcome.answers == ()
    # The judged process is a worker too.
    assert [other.role for other in trial.outcome.others].count("worker") == workers - 1


def test_workers_of_uwsgi(serve: Callable[..., Run]) -> None:
    options = "launcher_options: [{when: 'true', options: [--max-requests=3, --min-worker-lifetime=0]}]\n"
    found = results(
        serve(
            UWSGI,
            crash="server: {processes: 2}\n" + CRASH,
            ini="server: {ini: uwsgi.ini}\n" + CRASH,
            reload="server: {processes: 2}\nend: reload\n",
            worn="server: {processes: 1}\nend: max-requests\n" + options,
        )
    )
    crashed_in_the_request(found["crash"], status=30)
    crashed_in_the_request(found["ini"], status=30)
    ended_cleanly(found["reload"], workers=4)
    ended_cleanly(found["worn"], workers=2)


def test_workers_of_gunicorn(serve: Callable[..., Run]) -> None:
    def of(name: str) -> str:
        return f"server: {{processes: 2, worker_class: {name}}}\n{CRASH}"

    options = "launcher_options: [{when: 'true', options: [--max-requests=3]}]\n"
    found = results(
        serve(
            GUNICORN,
            sync=of("sync"),
            gthread=of("gthread"),
            gevent=of("gevent"),
            reload="server: {processes: 2}\nend: reload\n",
            worn="server: {processes: 1}\nend: max-requests\n" + options,
        )
    )
    for name in ("sync", "gthread", "gevent"):
        crashed_in_the_request(found[name], status=0)
    ended_cleanly(found["reload"], workers=4)
    ended_cleanly(found["worn"], workers=2)
