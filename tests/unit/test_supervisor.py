"""The supervisor as a real subprocess over tiny drivers, laid out as in a cell's image."""

import ast
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.execute.command import ISOLATED
from orchestrator.launchers import LAUNCHERS
from tests.unit.supervised import Cell

MASTER = """
def master():
    \"\"\"Fork a worker, and wait for it: exit with 0 whatever its status, as uWSGI's master does.\"\"\"
    worker = os.fork()
    if worker:
        os.waitpid(worker, 0)
        os._exit(0)
    signal.signal(signal.SIGINT, lambda *_: {end})

master()
"""
SERVE = """
server = socket.create_server((host, int(port)))
connection, _ = server.accept()
connection.recv(65536)
signal.signal(signal.SIGTERM, lambda *_: os._exit(30 if idle else 99))
idle = False
connection.sendall(b"HTTP/1.1 {answer}\\r\\n\\r\\n")
connection.close()
until = time.monotonic() + {busy}
while time.monotonic() < until:
    pass
idle = True
while True:
    time.sleep(60)
"""


def serve(answer: str, busy: float = 0) -> str:
    """A server that gives one answer, is busy for some seconds and then waits to be stopped."""
    return SERVE.replace("{answer}", answer).replace("{busy}", str(busy))


@pytest.fixture
def cell(tmp_path: Path) -> Cell:
    return Cell(tmp_path)


@pytest.fixture
def appears() -> Callable[[Path], None]:
    def wait(path: Path) -> None:
        deadline = time.monotonic() + 10
        while not path.exists():
            assert time.monotonic() < deadline, f"{path.name} never appeared"
            time.sleep(0.005)

    return wait


@pytest.fixture(autouse=True)
def no_cores() -> Iterator[None]:
    """Keep the deliberate crashes of this file out of the host's core store (limit 1 disables its pipe).

    Under a hard limit of 0, as sudo sets, the limit cannot be 1, and the store takes them.
    """
    before = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (before[1] and 1, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_CORE, before)


def test_exit_status_is_the_drivers(cell: Cell) -> None:
    cell.driver("raise SystemExit(3)")
    ended = cell.run()
    assert (ended["schema"], ended["kind"], ended["status"], ended["signal"]) == (4, "exit", 3, None)
    assert (ended["interrupted"], ended["core_dumped"], ended["notes"]) == (False, False, [])
    assert ended["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert ended["versions"]["glibc"].startswith("2.")


def test_pid_is_the_tested_processes_own(cell: Cell) -> None:
    cell.driver("import os; open('pid', 'w').write(str(os.getpid()))")
    assert cell.run()["pid"] == int((cell.work / "pid").read_text())


def test_abort_is_a_signal_and_no_exit_status(cell: Cell) -> None:
    cell.driver("import os; os.abort()")
    ended = cell.run()
    assert (ended["kind"], ended["status"], ended["signal"]) == ("signal", None, "SIGABRT")


def test_output_passes_untouched(cell: Cell) -> None:
    cell.driver(r"import os; os.write(1, b'\xff\0out'); os.write(2, b'\x1b[31merr')")
    assert cell.start().communicate(timeout=30) == (b"\xff\0out", b"\x1b[31merr")


def test_the_images_variables_for_python_are_the_tested_processes_alone(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = {"PYTHONSAFEPATH": "1", "PYTHONWARNINGS": "error", "PYTHONHASHSEED": "7"}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    cell.driver(f"import os; print([os.environ[name] for name in {list(variables)}])")
    assert cell.start().communicate(timeout=30) == (b"['1', 'error', '7']\n", b"")
    assert cell.exit["status"] == 0


def test_tested_ignores_and_blocks_no_signal_because_of_us(cell: Cell) -> None:
    """Read by a shell: a Python tested process would itself ignore SIGPIPE."""
    program = cell.root / "bin" / "uwsgi"
    program.write_text("#!/bin/sh\nexec cat /proc/self/status\n")
    program.chmod(0o755)
    status, _ = cell.start("uwsgi").communicate(timeout=30)
    fields = dict(line.split(":\t", 1) for line in status.decode().splitlines() if line.startswith("Sig"))
    ours = sum(
        1 << (number - 1) for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD, signal.SIGTERM)
    )
    assert [int(fields[name], 16) & ours for name in ("SigBlk", "SigIgn")] == [0, 0]


def test_a_name_in_which_a_dump_is_claimed_is_no_dump(cell: Cell) -> None:
    """It would be waited for as long as a core is, and taken for a crash."""
    name = "import ctypes, time; ctypes.CDLL(None).prctl(15, b'CoreDumping:\\t1', 0, 0, 0)"
    cell.driver(f"{name}; print(open('/proc/self/status').readline()); time.sleep(60)")
    ended = cell.run(timeout=0.5)
    assert (ended["kind"], ended["signal"]) == ("hang", "SIGABRT")


GUEST_DUMPS = """
import os, time
core = open(f"qemu_python3_20261130-120000_{os.getpid()}.core", "wb")
time.sleep(6)
core.close()
os.kill(os.getpid(), 11)
"""
"""As qemu-user ends a guest: it writes the core, longer than the time limit allows, then kills itself."""


def test_a_guest_whose_core_qemu_writes_at_the_time_limit_has_crashed(cell: Cell) -> None:
    cell.driver(GUEST_DUMPS)
    cell.start("plain", 5, "--emulated").communicate(timeout=60)
    assert (cell.exit["kind"], cell.exit["signal"]) == ("signal", "SIGSEGV")
    assert cell.exit["emulator_core"]


def test_a_program_that_is_no_guest_hangs_with_a_file_like_a_core_of_qemu(cell: Cell) -> None:
    cell.driver(GUEST_DUMPS.replace("sleep(6)", "sleep(600)"))
    assert cell.run(timeout=1)["kind"] == "hang"


def test_a_process_that_makes_the_supervisor_its_tracer_is_let_go(cell: Cell) -> None:
    """A stop would count as its end: wait(2) reports it to a tracer as an exit status."""
    cell.driver("import ctypes, os; ctypes.CDLL(None).ptrace(0, 0, None, None); os.kill(os.getpid(), 11)")
    ended = cell.run()
    assert (ended["kind"], ended["status"], ended["signal"]) == ("signal", None, "SIGSEGV")


def test_a_program_is_started_by_itself(cell: Cell) -> None:
    program = cell.root / "scenario" / "probe"
    program.write_text("#!/bin/sh\nexit 7\n")
    program.chmod(0o755)
    supervisor = [sys.executable, ISOLATED, str(cell.root / "supervisor")]
    supervisor += ["--report", "../report"]
    options = ["--launcher", "plain", "--timeout", "20", "--target", "program", "probe"]
    done = subprocess.run([*supervisor, *options], cwd=cell.work, check=False, timeout=30)
    assert done.returncode == 0
    assert (cell.exit["kind"], cell.exit["status"]) == ("exit", 7)


def test_an_instruments_command_stands_before_the_tested_processes(cell: Cell) -> None:
    cell.driver("import os, sys; os.write(1, os.environ['WATCHED'].encode()); sys.exit(4)")
    stdout, _ = cell.start("plain", 20, "--wrap=env 'WATCHED=by a tool' nice -n 0 --").communicate(timeout=30)
    assert (stdout, cell.exit["status"]) == (b"by a tool", 4)


def test_hang_is_aborted_so_that_a_core_shows_where(cell: Cell) -> None:
    cell.driver("import time; time.sleep(60)")
    ended = cell.run(timeout=0.15)
    assert (ended["kind"], ended["status"], ended["signal"]) == ("hang", None, "SIGABRT")
    assert not ended["interrupted"]
    assert 0.15 <= ended["seconds"] < 3


def test_a_hang_that_survives_sigabrt_is_ended_by_a_signal_that_it_does_not_take(cell: Cell) -> None:
    cell.driver("import time; time.sleep(60)")
    cell.start("plain", 2, "--wrap=env --ignore-signal=ABRT --default-signal=QUIT").communicate(timeout=60)
    assert (cell.exit["kind"], cell.exit["signal"]) == ("hang", "SIGQUIT")
    assert "the hung tested process did not die of SIGABRT: SIGQUIT followed" in cell.exit["notes"]


def test_sigterm_ends_the_tested_and_says_so(cell: Cell, appears: Callable[[Path], None]) -> None:
    cell.driver("import time; open('ready', 'w').close(); time.sleep(60)")
    process = cell.start()
    appears(cell.work / "ready")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=10)
    assert process.returncode == 0
    ended = cell.exit
    assert (ended["interrupted"], ended["kind"], ended["signal"]) == (True, "signal", "SIGKILL")
    with pytest.raises(ProcessLookupError):
        os.kill(ended["pid"], 0)


def test_tested_that_cannot_start_has_no_exit(cell: Cell) -> None:
    process = cell.start("uwsgi")
    _, stderr = process.communicate(timeout=10)
    assert process.returncode == 1
    assert b"supervisor: cannot start" in stderr
    assert b"Traceback" not in stderr
    assert not (cell.work / ".crashmatrix").exists()


def test_server_is_stopped_only_once_it_is_idle(cell: Cell) -> None:
    """The server stays busy for 0.1 s after it closed the connection; it says 99 if it is stopped then."""
    cell.uwsgi(serve("200 OK", busy=0.1))
    ended = cell.run("uwsgi")
    assert (ended["kind"], ended["status"], ended["notes"]) == ("exit", 30, [])


def test_wrong_answer_is_noted(cell: Cell) -> None:
    cell.uwsgi(serve("500 Internal Server Error"))
    assert cell.run("uwsgi")["notes"] == [
        "the server's answer was 'HTTP/1.1 500 Internal Server Error', not 200"
    ]


def test_server_that_dies_before_it_listens_ends_at_once(cell: Cell) -> None:
    cell.uwsgi("raise SystemExit(22)")
    ended = cell.run("uwsgi")
    assert (ended["kind"], ended["status"]) == ("exit", 22)
    assert ended["seconds"] < 5


def test_server_that_dies_in_the_request_is_judged_by_its_signal(cell: Cell) -> None:
    cell.uwsgi("socket.create_server((host, int(port))).accept(); os.kill(os.getpid(), signal.SIGSEGV)")
    ended = cell.run("uwsgi")
    assert (ended["kind"], ended["signal"]) == ("signal", "SIGSEGV")
    assert ended["notes"] == ["the server's answer was '', not 200"]


@pytest.mark.parametrize("before", ["", "server = socket.create_server((host, int(port)))"])
def test_server_that_never_answers_hangs(cell: Cell, before: str) -> None:
    cell.uwsgi(f"{before}\ntime.sleep(60)")
    ended = cell.run("uwsgi", timeout=0.2)
    assert (ended["kind"], ended["signal"]) == ("hang", "SIGABRT")


COUNTING = """
import os, pathlib
count = len(list(pathlib.Path("..").glob("seen-*")))
pathlib.Path(f"../seen-{count}").touch()
print("trial", count, os.listdir(), flush=True)
"""


def test_trials_share_a_container_and_nothing_else(cell: Cell) -> None:
    cell.driver(f"{COUNTING}\npathlib.Path('left').mkdir(); pathlib.Path('left/file').touch()")
    exits, outputs = cell.share(3)
    assert [ended["status"] for ended in exits] == [0, 0, 0]
    assert outputs == [f"trial {number} []\n".encode() for number in range(3)]
    assert len({ended["pid"] for ended in exits}) == 3
    assert [ended["after"] for ended in exits] == sorted(ended["after"] for ended in exits)


def test_trials_of_several_cells_have_each_its_own_variables_and_options(cell: Cell) -> None:
    cell.driver("import os, sys; print(os.environ['ASKED'], sys.flags.dev_mode, flush=True)")
    variants = ({"env": {"ASKED": "one"}}, {"env": {"ASKED": "two"}, "options": ["-X", "dev"]})
    more = (f"--variant={json.dumps(item)}" for item in variants)
    exits, outputs = cell.share(2, "exit:0", "--env=ASKED=all", *more)
    assert [ended["status"] for ended in exits] == [0, 0]
    assert outputs == [b"one False\n", b"two True\n"]


def test_no_trial_knows_the_mark_that_ends_its_output(cell: Cell) -> None:
    """One that does puts the rest of its output among the next trial's."""
    cell.driver("import os; print(dict(os.environ), open(f'/proc/{os.getppid()}/cmdline').read())")
    stdout, _ = cell.start("plain", 20, "--trials", "2").communicate(timeout=30)
    assert stdout.count(b"MARK") == 1


@pytest.mark.parametrize(
    ("end", "wanted", "count"),
    [
        ("if count == 2: os.abort()", "exit", 3),
        ("raise SystemExit(count)", "exit:0", 2),
        ("raise SystemExit(count)", "exit", 5),
    ],
)
def test_an_end_that_must_be_looked_at_is_the_last(cell: Cell, end: str, wanted: str, count: int) -> None:
    cell.driver(f"{COUNTING}\n{end}")
    exits, outputs = cell.share(5, wanted)
    assert len(exits) == len(outputs) == count


def test_a_tree_that_is_deeper_than_python_calls_is_noted(cell: Cell) -> None:
    leave = """
if count == 0:
    os.mkdir("deep")
    os.chdir("deep")
    for _ in range(3000):
        os.mkdir("d")
        os.chdir("d")
"""
    cell.driver(f"{COUNTING}\n{leave}")
    try:
        exits, _ = cell.share(2)
    finally:  # pytest could not remove it either
        subprocess.run(["/bin/rm", "-rf", cell.work / "deep"], check=True)
    assert [ended["status"] for ended in exits] == [0, 0]
    assert exits[1]["notes"][0].startswith("the trial before left files that cannot be removed: '/")


def test_a_file_that_cannot_be_removed_between_trials_is_noted(cell: Cell) -> None:
    """A tree that is deeper than the files that the supervisor may open, on which the trial sets a limit."""
    leave = """
if count == 0:
    import resource
    os.makedirs("\U0001f600" * 60 + "/d" * 60)
    resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE, (30, 30))
"""
    cell.driver(f"{COUNTING}\n{leave}")
    exits, outputs = cell.share(3)
    assert outputs[1] != b"trial 1 []\n"
    assert [len(ended["notes"]) for ended in exits] == [0, 1, 1]
    assert exits[1]["notes"][0].startswith("the trial before left files that cannot be removed: '/")
    assert exits[1]["notes"][0].endswith(" more")
    assert len(exits[1]["notes"][0]) <= 500


def test_what_a_trial_leaves_running_is_ended_before_the_next(cell: Cell) -> None:
    """A daemon with a session of its own, whose parent is gone: it would write into the next trial."""
    leave = """
if count == 0 and os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        pathlib.Path("../pid").write_text(str(os.getpid()))
        import time; time.sleep(0.3); os.write(1, b"late"); time.sleep(60)
    os._exit(0)
while not pathlib.Path("../pid").exists(): pass
if count: import time; time.sleep(0.5)
"""
    cell.driver(f"{COUNTING}\n{leave}")
    _, outputs = cell.share(2)
    assert outputs[1] == b"trial 1 []\n"
    with pytest.raises(ProcessLookupError):
        os.kill(int((cell.root / "pid").read_text()), 0)


@pytest.mark.parametrize(
    ("end", "kind", "told"),
    [
        ("os._exit(7)", "exit", (7, None)),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "signal", (None, "SIGSEGV")),
    ],
)
def test_under_a_master_the_exit_is_the_workers(
    cell: Cell, end: str, kind: str, told: tuple[int | None, str | None]
) -> None:
    """The trap: the master itself ends with 0 although its worker crashed."""
    cell.uwsgi(MASTER.replace("{end}", end) + serve("200 OK"))
    process = cell.start("uwsgi", 20, "--option=--master")
    process.communicate(timeout=30)
    ended = cell.exit
    assert (ended["kind"], (ended["status"], ended["signal"]), ended["notes"]) == (kind, told, [])


def test_a_hang_under_a_master_is_the_workers(cell: Cell) -> None:
    cell.uwsgi(MASTER.replace("{end}", "None") + serve("200 OK"))
    process = cell.start("uwsgi", 1.5, "--option=--master")
    process.communicate(timeout=30)
    assert (cell.exit["kind"], cell.exit["signal"]) == ("hang", "SIGABRT")


def test_what_runs_in_containers_is_written_for_python_3_8() -> None:
    """The oldest interpreter of the matrix may be older than the one that runs these tests."""
    files = {path for launcher in LAUNCHERS.values() for path in launcher.container_files().values()}
    assert {path.name for path in files} >= {"run.py", "container.py", "__main__.py"}
    for path in files:
        ast.parse(path.read_text(), feature_version=(3, 8))


def test_a_container_reads_nothing_that_its_target_does_not_need() -> None:
    """An image has no bytecode of the supervisor, and each container would compile what it imports."""
    root = str(Path(__file__).parents[2])
    ask = f"import sys; sys.path.insert(0, {root!r}); import orchestrator.supervisor.run; print(*sys.modules)"
    asked = subprocess.run([sys.executable, "-IS", "-c", ask], capture_output=True, text=True, check=True)
    parts = {name.removeprefix("orchestrator.supervisor.") for name in asked.stdout.split()}
    assert {"run", "trial", "tested"} <= parts
    assert not {"pytests", "serving", "load", "http.client", "threading", "email", "platform"} & parts
