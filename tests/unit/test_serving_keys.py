"""What a scenario says of its application's server: keys, options of its cells, and odd answers."""

from pathlib import Path

import pytest

from orchestrator.execute import TrialCommand
from orchestrator.matrix import Request, load_matrix, select
from orchestrator.model import (
    Arch,
    Catalogue,
    Cell,
    CoreFile,
    CoreState,
    Expectation,
    HttpRequest,
    Outcome,
    OutcomeKind,
    ServerEnd,
    Serving,
    Trial,
    Verdict,
)
from orchestrator.supervisor.options import parse
from orchestrator.supervisor.plan import read_plan
from orchestrator.supervisor.targets import WSGI, Target
from orchestrator.verdict.judge import Observation, judge_trial
from tests.unit.test_user_code import project, refused, scenario, write

__all__ = ["project"]

APPLICATION = "wsgi: app:application"
FULL = f"""{APPLICATION}
server: {{processes: 4, threads: 2, worker_class: gevent, ini: deploy/uwsgi.ini}}
requests:
  - {{method: POST, path: /upload, body: data, headers: {{A-B: text}}, count: 10, concurrency: 4}}
  - {{path: /gone, expect_status: 404}}
end: reload
"""


def test_a_server_is_as_the_file_says(project: Path) -> None:
    (project / "deploy").mkdir()
    (project / "deploy" / "uwsgi.ini").write_text("[uwsgi]\n")
    headers = {"A-B": "text"}
    upload = HttpRequest(method="POST", path="/upload", body="data", headers=headers, count=10, concurrency=4)
    assert scenario(project, FULL).serving == Serving(
        processes=4, threads=2, worker_class="gevent", ini="deploy/uwsgi.ini",
        requests=(upload, HttpRequest(path="/gone", expect_status=404)), end=ServerEnd.RELOAD,
    )  # fmt: skip


def test_an_application_gets_one_request_and_is_asked_to_stop(project: Path) -> None:
    assert scenario(project, APPLICATION).serving == Serving()
    assert scenario(project, "script: repro.py").serving is None


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "script: repro.py\nrequests: [{path: /}]",
            "scenarios/repro.yaml:3:11: `requests` belongs to an application; name one by"
            " `wsgi: module:object`, or remove it",
        ),
        (
            "script: repro.py\nend: reload",
            "scenarios/repro.yaml:3:6: `end` belongs to an application; name one by"
            " `wsgi: module:object`, or remove it",
        ),
        (
            f"{APPLICATION}\nserver: {{ini: uwsgi.ini}}",
            "scenarios/repro.yaml:3:15: the scenario has no file uwsgi.ini; create it; where `files` lists"
            " the files, add it there",
        ),
        (
            f"{APPLICATION}\nrequests: [{{path: /, body: {'x' * 60000}}}, {{path: /, body: {'y' * 60000}}}]",
            "scenarios/repro.yaml:3:11: the requests are longer than 100,000 bytes in all; have the"
            " application read what is long from a file of the scenario",
        ),
    ],
)
def test_a_mistake_about_the_server_is_told_with_its_place(project: Path, text: str, line: str) -> None:
    assert refused(project, text) == [line]


@pytest.mark.parametrize(
    "text",
    [
        "server: {processes: 0}",
        "server: {ini: ../uwsgi.ini}",
        "server: {workers: 2}",
        "requests: []",
        "requests: [{path: crash}]",
        'requests: [{path: "/a b"}]',
        "requests: [{method: get}]",
        "requests: [{path: /, headers: {'X: y': z}}]",
        'requests: [{path: /, headers: {X: "a\\r\\nY: b"}}]',
        "requests: [{path: /, count: 0}]",
        "end: SIGKILL",
    ],
)
def test_values_that_no_server_can_have_are_refused(project: Path, text: str) -> None:
    (line,) = refused(project, f"{APPLICATION}\n{text}")
    assert line.startswith("scenarios/repro.yaml:3:")


def options(project: Path, catalogue: Catalogue, text: str) -> dict[str, tuple[str, ...]]:
    """By launcher, the options of the cells of one environment."""
    write(project, text)
    matrix = load_matrix(project / "matrix.yaml", project / "scenarios")
    request = Request(axes={"python": ("3.11",), "glibc": ("2.36",)})
    found = select(matrix, catalogue, request).cells
    return {item.axes["launcher"][0]: item.terms.options for item in found}


def test_each_launcher_has_the_server_in_its_own_options(project: Path, catalogue: Catalogue) -> None:
    text = f"""{APPLICATION}
server: {{processes: 2, threads: 3}}
launcher_options:
  - {{when: 'launcher == "uwsgi"', options: [--lazy-apps]}}
  - {{when: 'launcher == "gunicorn"', options: [--max-requests=9]}}
"""
    assert options(project, catalogue, text) == {
        "uwsgi": ("--master", "--processes=2", "--threads=3", "--lazy-apps"),
        "gunicorn": ("--workers=2", "--threads=3", "--max-requests=9"),
    }


def test_an_option_is_refused_only_where_its_launcher_gets_it(project: Path, catalogue: Catalogue) -> None:
    rule = 'launcher_options: [{when: \'launcher == "%s" and python >= "3.11"\', options: [--daemon]}]'
    (line,) = refused(project, f"{APPLICATION}\n{rule % 'gunicorn'}")
    assert "repro.yaml:3:" in line
    assert "--daemon: a server in the background is nobody's child" in line
    # `-D` is gunicorn's, and means something else to uWSGI.
    short = rule.replace("--daemon", "-D")
    assert options(project, catalogue, f"{APPLICATION}\n{short % 'uwsgi'}")["uwsgi"] == ("-D",)
    refused(project, f"{APPLICATION}\n{short % 'gunicorn'}")


def test_several_workers_are_refused_of_a_driver_alone(project: Path) -> None:
    rule = "launcher_options: [{when: 'launcher == \"uwsgi\"', options: [--processes=2]}]"
    write(project, f"driver: repro.py\n{rule}")
    (line,) = refused(project, f"driver: repro.py\n{rule}")
    assert "the outcome is that of one worker" in line
    assert scenario(project, f"{APPLICATION}\n{rule}").serving == Serving()


def test_the_supervisor_gets_the_plan_of_an_application() -> None:
    cell = Cell(scenario="s", python="3.11", glibc="2.36", arch=Arch.X86_64, launcher="uwsgi", probe="none")
    serving = Serving(requests=(HttpRequest(path="/'\"$"),), end=ServerEnd.HARAKIRI)
    command = TrialCommand(cell=cell, target=Target(WSGI, "app:application"), timeout=9, serving=serving)
    assert parse(list(command.single()[3:])).serving == read_plan(serving.plan)


DEFAULT = Expectation(kind=OutcomeKind.EXIT, status=30, because="it must", is_default=True)


def trial(**more: object) -> Trial:
    outcome = {
        "kind": OutcomeKind.EXIT, "status": 30, "seconds": 1.0, "started": "", "container": "c",
        "hostname": "h", "stdout": "o", "stderr": "e",
    }  # fmt: skip
    return Trial(
        number=1, outcome=Outcome.model_validate(outcome | more), core=CoreFile(state=CoreState.NONE)
    )


def test_a_server_that_answers_with_an_error_does_not_work() -> None:
    answers = ("GET /a: answered 500 Internal Server Error", "GET /b: answered 404 Not Found")
    judged = judge_trial(
        DEFAULT, Observation(trial=trial(answers=answers, exception="KeyError: 'x'"), text="")
    )
    assert judged.verdict is Verdict.FAIL
    assert judged.reason == "GET /a: answered 500 Internal Server Error: KeyError: 'x'; and 1 more"
    assert judge_trial(DEFAULT, Observation(trial=trial(), text="")).verdict is Verdict.PASS
    stated = DEFAULT.model_copy(update={"is_default": False})
    assert judge_trial(stated, Observation(trial=trial(answers=answers), text="")).verdict is Verdict.PASS
