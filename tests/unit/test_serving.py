"""Applications under a real gunicorn and its workers, followed by the supervisor as a subprocess."""

import json
import os
import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.launchers import LAUNCHERS
from orchestrator.model import HttpRequest, ServerEnd, Serving
from orchestrator.supervisor.ends import Ends, ForgedError
from orchestrator.supervisor.plan import Plan, Request, read_plan
from orchestrator.supervisor.targets import WSGI
from orchestrator.supervisor.witness import Witness
from tests.unit.supervised import Cell, kernel_tells

APPLICATION = """
import os, signal, time

def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/crash":
        signal.raise_signal(signal.SIGSEGV)
    if path == "/slow":
        time.sleep(60)
    if path == "/error":
        raise RuntimeError("no such thing")
    start_response("404 Not Found" if path == "/none" else "200 OK", [])
    told = environ["REQUEST_METHOD"] + " " + environ["wsgi.input"].read().decode()
    with open("asked", "a") as asked:
        print(told, environ.get("HTTP_X_TOKEN"), os.getpid(), file=asked)
    return [b"served"]
"""
CLASSES = ["sync", "gthread", "gevent"]


@pytest.fixture
def cell(tmp_path: Path) -> Cell:
    cell = Cell(tmp_path)
    cell.application(APPLICATION)
    return cell


@pytest.fixture(autouse=True)
def no_cores() -> Iterator[None]:
    """Keep the deliberate crashes of this file out of the host's core store, as test_supervisor does."""
    before = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (before[1] and 1, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_CORE, before)


def serve(
    cell: Cell, *requests: HttpRequest, end: ServerEnd = ServerEnd.SIGTERM, timeout: float = 30,
    options: tuple[str, ...] = ("--workers=2",), launcher: str = "gunicorn",
    application: str = "app:application",
) -> dict[str, Any]:  # fmt: skip
    serving = Serving(requests=requests or (HttpRequest(),), end=end)
    plan = f"--serving={serving.plan}"
    more = [plan, *(f"--option={option}" for option in options)]
    process = cell.start(launcher, timeout, *more, target=WSGI, file=application)
    _, cell.output = process.communicate(timeout=90)
    assert process.returncode == 0
    return cell.exit


def asked(cell: Cell) -> list[str]:
    return (cell.work / "project" / "asked").read_text().splitlines()


@pytest.mark.parametrize("name", CLASSES)
def test_a_worker_that_crashes_on_a_request_is_judged_by_the_status_that_its_master_saw(
    cell: Cell, name: str
) -> None:
    crash, then = HttpRequest(path="/crash"), HttpRequest(path="/?after")
    ended = serve(cell, crash, then, options=("--workers=2", f"--worker-class={name}"))
    assert (ended["kind"], ended["status"], ended["signal"]) == ("signal", None, "SIGSEGV")
    assert ended["answers"] == ["GET /crash: the connection ended without an answer"]
    assert ended["doing"] == "GET /crash"
    assert {(other["role"], other["status"], other["doing"]) for other in ended["others"]} == {
        ("worker", 0, None),
        ("server", 0, None),
    }
    assert asked(cell)[0].startswith("GET  None ")
    assert ended["pid"] not in {int(line.split()[-1]) for line in asked(cell)}


@pytest.mark.parametrize("name", CLASSES)
def test_workers_that_are_asked_to_stop_end_cleanly(cell: Cell, name: str) -> None:
    many = HttpRequest(count=20, concurrency=5)
    ended = serve(cell, many, options=("--workers=2", "--threads=2", f"--worker-class={name}"))
    assert (ended["kind"], ended["status"], ended["notes"]) == ("exit", 0, [])
    assert len(asked(cell)) == 20


def test_a_request_is_as_it_is_written(cell: Cell) -> None:
    request = HttpRequest(method="POST", path="/x?y=1", body="bödy", headers={"X-Token": "secret"})
    serve(cell, request, HttpRequest(path="/none", expect_status=404))
    assert [line.rsplit(" ", 1)[0] for line in asked(cell)] == ["POST bödy secret", "GET  None"]


def test_answers_that_are_not_as_they_should_be_are_told_and_counted(cell: Cell) -> None:
    ended = serve(
        cell, HttpRequest(path="/error", count=3), HttpRequest(path="/none"), HttpRequest(expect_status=201)
    )
    assert ended["answers"] == [
        "GET /error: answered 500 Internal Server Error (3 of 3)",
        "GET /none: answered 404 Not Found",
        "GET /: answered 200 OK, not 201",
    ]
    assert (ended["kind"], ended["status"]) == ("exit", 0)


def test_a_reload_replaces_each_worker(cell: Cell) -> None:
    ended = serve(cell, HttpRequest(count=6), end=ServerEnd.RELOAD)
    assert (ended["kind"], ended["status"], ended["notes"]) == ("exit", 0, [])
    assert cell.output.decode().count("Booting worker") == 4
    *before, after = [line.split()[-1] for line in asked(cell)]
    assert len(before) == 6
    assert after not in before


def test_a_worker_is_worn_out_by_as_many_requests_as_it_takes(cell: Cell) -> None:
    ended = serve(cell, end=ServerEnd.MAX_REQUESTS, options=("--workers=1", "--max-requests=3"))
    assert (ended["kind"], ended["status"], ended["notes"]) == ("exit", 0, [])
    assert len(asked(cell)) >= 3


def test_a_worker_whose_request_takes_too_long_is_killed_by_its_master(cell: Cell) -> None:
    ended = serve(cell, HttpRequest(path="/slow"), end=ServerEnd.HARAKIRI, options=("--timeout=1",))
    assert (ended["kind"], ended["status"]) == ("exit", 0)
    assert "WORKER TIMEOUT" in cell.output.decode()


def test_ends_that_did_not_come_about_are_noted(cell: Cell) -> None:
    ended = serve(cell, end=ServerEnd.HARAKIRI, timeout=8, options=("--workers=1",))
    assert ended["notes"] == ["no worker was ended for a request that took too long"]


def test_a_worker_that_hangs_is_made_to_leave_a_core_although_it_catches_sigabrt(cell: Cell) -> None:
    ended = serve(cell, HttpRequest(path="/slow"), timeout=8)
    assert (ended["kind"], ended["signal"]) == ("hang", "SIGXCPU")
    assert "GET /slow: not answered within the time limit" in ended["notes"]


def test_an_application_that_cannot_be_imported_ends_the_server(cell: Cell) -> None:
    ended = serve(cell, application="missing:application")
    assert (ended["kind"], ended["status"]) == ("exit", 3)
    assert "ModuleNotFoundError: No module named 'missing'" in cell.output.decode()


def test_workers_that_die_in_a_loop_are_not_waited_for(cell: Cell) -> None:
    cell.application("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)")
    ended = serve(cell)
    assert (ended["kind"], ended["signal"]) == ("signal", "SIGSEGV")
    assert "5 workers died one after the other; the server was stopped" in ended["notes"]


def test_a_server_that_never_listens_hangs(cell: Cell) -> None:
    cell.uwsgi("time.sleep(60)")
    ended = serve(cell, timeout=0.5, launcher="uwsgi", options=())
    assert (ended["kind"], ended["notes"]) == (
        "hang",
        ["the server did not listen on its port within the time limit"],
    )


def test_a_server_that_ends_before_it_listens_is_judged_itself(cell: Cell) -> None:
    cell.uwsgi("raise SystemExit(22)")
    ended = serve(cell, launcher="uwsgi", options=())
    assert (ended["kind"], ended["status"]) == ("exit", 22)
    assert ended["notes"] == ["the server ended before it listened on its port"]


ORPHANS = """
host, port = "127.0.0.1", sys.argv[sys.argv.index("--http-socket") + 1].split(":")[1]
server = socket.create_server((host, int(port)))
second = os.fork()
signal.signal(signal.SIGTERM, (lambda *_: os._exit(30)) if second else SECOND)
while True:
    connection, _ = server.accept()
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\\r\\n\\r\\n")
    connection.close()
"""


def test_workers_that_outlive_a_server_without_a_master_are_stopped_and_seen(cell: Cell) -> None:
    """As uWSGI with several processes and no master: its first worker is the parent of the others."""
    cell.uwsgi(ORPHANS.replace("SECOND", "lambda *_: os.kill(os.getpid(), signal.SIGBUS)"))
    ended = serve(cell, launcher="uwsgi", options=("--processes=2",))
    assert (ended["kind"], ended["signal"]) == ("signal", "SIGBUS")


def test_a_worker_that_is_still_starting_when_the_server_stops_did_not_crash(cell: Cell) -> None:
    """Before a server's worker has its handlers, the signal that asks it to stop ends it."""
    cell.uwsgi(ORPHANS.replace("SECOND", "signal.SIG_DFL"))
    ended = serve(cell, launcher="uwsgi", options=("--processes=2",))
    assert (ended["kind"], ended["status"]) == ("exit", 30)
    (other,) = ended["others"]
    assert (other["role"], other["signal"]) == ("worker", "SIGTERM")


def test_only_ends_that_the_master_itself_saw_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ends = Ends()
    path = Path(ends.path)
    path.write_bytes(b"7 8 139\n8 9 0\n7 x 0\n7 10 25")
    assert ends.new(7) == [(8, 139)]
    with path.open("ab") as file:
        file.write(b"6\n7 11 0\n7 12 0 0\n")
    assert ends.new(7) == [(10, 256), (11, 0)]
    ends.close()
    assert not path.exists()


@pytest.mark.parametrize("deed", ["replace", "cut", "rewrite", "remove"])
def test_what_a_master_has_said_cannot_be_taken_back(
    deed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ends = Ends()
    path = Path(ends.path)
    path.write_bytes(b"7 8 139\n")
    assert ends.new(7) == [(8, 139)]
    match deed:
        case "replace":
            (tmp_path / "new").write_bytes(b"7 8 139\n7 9 0\n")
            (tmp_path / "new").replace(path)
        case "cut":
            path.write_bytes(b"")
        case "rewrite":
            path.write_bytes(b"7 8 000\n")
        case "remove":
            path.unlink()
    with pytest.raises(ForgedError):
        ends.new(7)


def test_a_worker_that_removes_the_record_of_its_end_makes_no_verdict(cell: Cell) -> None:
    forge = "os.unlink(os.environ['CRASHMATRIX_ENDS']); os.mkdir(os.environ['CRASHMATRIX_ENDS'])"
    cell.application(APPLICATION.replace("time.sleep(60)", f"{forge}; os._exit(7)"))
    plan = Serving(requests=(HttpRequest(path="/slow"),)).plan
    process = cell.start("gunicorn", 30, f"--serving={plan}", target=WSGI, file="app:application")
    process.communicate(timeout=90)
    assert process.returncode == 1
    said = (cell.root / "report").read_text().splitlines()[-1]
    assert json.loads(said) == {
        "failure": "the program under test changed the record of how its workers ended"
    }


MASTER = """
import os

wait = next(cell.cell_contents for cell in os.waitpid.__closure__ if callable(cell.cell_contents))
master = os.getpid()

def waitpid(pid, options):
    ended, status = wait(pid, options)
    if ended and SAYS:
        with open(os.environ["CRASHMATRIX_ENDS"], "ab", buffering=0) as ends:
            ends.write(b"%d %d 0\\n" % (master, ended))
    return ended, 0

os.waitpid = waitpid
"""
"""An application that its master imports, and that takes the place there of what records ends."""


needs_witness = pytest.mark.skipif(not kernel_tells(), reason="needs Linux 6.15: PIDFD_INFO_EXIT")


@needs_witness
def test_the_kernel_tells_how_a_process_ended_that_another_has_reaped() -> None:
    witness, ends = Witness(), {}
    for code in ("os._exit(7)", "os.kill(os.getpid(), 9)", "os.kill(os.getpid(), 15)"):
        process = subprocess.Popen(
            [sys.executable, "-c", f"import os; input(); {code}"], stdin=subprocess.PIPE
        )
        witness.look(os.getpid())
        assert process.pid not in witness.ends()
        process.communicate(b"\n")
        ends[process.pid] = process.returncode
    assert {pid: os.waitstatus_to_exitcode(status) for pid, status in witness.ends().items()} == ends
    witness.close()


@needs_witness
def test_a_master_that_says_a_clean_end_of_a_worker_that_crashed_is_contradicted_by_the_kernel(
    cell: Cell,
) -> None:
    """Without a core, which these workers cannot leave, nothing else tells of the crash."""
    cell.application(MASTER.replace("SAYS", "True") + APPLICATION)
    ended = serve(cell, HttpRequest(path="/crash"), options=("--preload",))
    assert (ended["kind"], ended["signal"], ended["core_dumped"]) == ("signal", "SIGSEGV", False)
    (note,) = ended["notes"]
    assert note == (
        f"its server said of process {ended['pid']} that it ended with 0, the kernel that SIGSEGV ended it"
    )


@needs_witness
def test_a_crash_that_a_master_does_not_tell_of_is_judged_all_the_same(cell: Cell) -> None:
    cell.application(MASTER.replace("SAYS", "False") + APPLICATION)
    ended = serve(cell, HttpRequest(path="/crash"), options=("--preload",))
    assert (ended["kind"], ended["signal"], ended["core_dumped"]) == ("signal", "SIGSEGV", False)


def test_the_supervisor_reads_back_the_plan_that_the_host_writes() -> None:
    serving = Serving(
        processes=2,
        requests=(HttpRequest(path="/a", headers={"X": "y"}, body="é", count=2),),
        end=ServerEnd.RELOAD,
    )
    assert read_plan(serving.plan) == Plan([Request("GET", "/a", "é", {"X": "y"}, 2, 1, None)], "reload")
    assert read_plan("") == read_plan(Serving().plan)


@pytest.mark.parametrize("text", ["[]", "{}", '{"requests": [{}], "end": "reload"}', "x"])
def test_a_plan_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_plan(text)


SERVING = Serving(processes=4, threads=2, worker_class="gevent", ini="deploy/uwsgi.ini")


@pytest.mark.parametrize(
    ("launcher", "options"),
    [
        ("uwsgi", ("--ini=deploy/uwsgi.ini", "--master", "--processes=4", "--threads=2")),
        ("gunicorn", ("--workers=4", "--threads=2", "--worker-class=gevent")),
        ("plain", ()),
    ],
)
def test_a_server_is_run_as_the_scenario_says(launcher: str, options: tuple[str, ...]) -> None:
    assert LAUNCHERS[launcher].serve(SERVING) == options
    assert LAUNCHERS[launcher].serve(Serving()) == ()


@pytest.mark.parametrize(
    ("options", "required"),
    [
        ((), "gunicorn"),
        (("--worker-class=gthread",), "gunicorn"),
        (("--worker-class", "gevent"), "gunicorn[gevent]"),
        (("-kgevent_pywsgi",), "gunicorn[gevent]"),
        (("-k", "sync", "--name", "gevent"), "gunicorn"),
    ],
)
def test_gunicorn_needs_the_packages_of_its_workers(options: tuple[str, ...], required: str) -> None:
    assert LAUNCHERS["gunicorn"].requires(options) == (required,)


@pytest.mark.parametrize(
    ("launcher", "option", "refused"),
    [
        ("uwsgi", "--processes=4", False),
        ("uwsgi", "--daemonize=/tmp/log", True),
        ("uwsgi", "--daemon", True),
        ("gunicorn", "--daemon", True),
        ("gunicorn", "-D", True),
        ("gunicorn", "--preload", False),
    ],
)
def test_only_a_server_in_the_background_is_refused(launcher: str, option: str, refused: bool) -> None:
    assert bool(LAUNCHERS[launcher].refuse(option, WSGI)) is refused


def test_plans_are_json_of_one_line() -> None:
    text = Serving(requests=(HttpRequest(body="a\nb"),)).plan
    assert not re.search(r"[\n\r]", text)
    assert json.loads(text)["requests"][0]["body"] == "a\nb"
