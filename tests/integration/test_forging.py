"""Programs that crash and try to be reported as having ended with 0."""

import subprocess
import time
from pathlib import Path

import pytest

from orchestrator.model import LABEL_RUN, CellResult, CoreState, OutcomeKind, Verdict
from tests.integration.runs import Run, command, run
from tests.unit.supervised import kernel_tells

ATTACK = Path(__file__).with_name("forging") / "attack.txt"
ATTACKS = ("itself", "report", "supervisor", "traced")


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run in which each cell is one attack, by the same image."""
    project = tmp_path_factory.mktemp("forging")
    (project / "scenarios").mkdir()
    (project / "matrix.yaml").write_text(f"schema: 1\naxes: {{attack: [{', '.join(ATTACKS)}]}}\n")
    (project / "attack.py").write_bytes(ATTACK.read_bytes())
    (project / "scenarios/forge.yaml").write_text("schema: 1\nscript: attack.py\ntimeout: 20\nshare: 1\n")
    selection = ("--python", "3.11", "--glibc", "2.36", "--launcher", "plain")
    return run(*selection, reports=project / "reports", project=project)


def result_of(attacked: Run, attack: str) -> CellResult:
    (result,) = (found for name, found in attacked.results.items() if name.endswith(f"+attack={attack}"))
    return result


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_crash_is_reported_whatever_the_program_does_to_its_supervisor(attacked: Run, attack: str) -> None:
    result = result_of(attacked, attack)
    (trial,) = result.trials
    said = (attacked.folder / trial.outcome.stdout).read_text()
    assert said.startswith("attacks ")
    assert [line for line in said.splitlines() if line.startswith("done ")] == []
    assert (result.judgement.verdict, trial.outcome.kind) == (Verdict.FAIL, OutcomeKind.SIGNAL)
    assert result.judgement.reason.startswith("SIGSEGV ")
    assert trial.core.state is CoreState.FOUND
    assert trial.crash


WORKER = """\
import ctypes, os, resource

def application(environ, start_response):
    if environ["PATH_INFO"] == "/crash":
        FORBID
        ends = os.environ["CRASHMATRIX_ENDS"]
        with open(ends, "a") as file:
            file.write(f"{os.getppid()} {os.getpid()} 0\\n")
        os.chmod(ends, 0o400)
        ctypes.string_at(0)
    start_response("200 OK", [])
    return [b"served"]
"""


LATE = """\
import ctypes, os, time

def application(environ, start_response):
    libc = ctypes.CDLL(None)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    libc.mmap(None, 1 << 30, 3, 0x4022, -1, 0)  # private, anonymous, not reserved: a core has all of it
    with open(f"/proc/{os.getppid()}/stat") as stat:
        started = int(stat.read().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
    time.sleep(max(0, started + 13 - time.clock_gettime(time.CLOCK_BOOTTIME)))
    ctypes.string_at(16)
"""
"""A request during which a worker crashes 2 s before the time of its server, 15 s, is up.

Its core is 1 GiB of zeros: a busy machine still writes it then, an idle one has written it.
"""


def serve(project: Path, application: str, more: str) -> tuple[Run, CellResult]:
    """Run an application under uWSGI with two workers."""
    (project / "scenarios").mkdir()
    (project / "matrix.yaml").write_text("schema: 1\n")
    (project / "app.py").write_text(application)
    (project / "scenarios/forge.yaml").write_text(
        f"schema: 1\nwsgi: app:application\nfiles: [app.py]\nserver: {{processes: 2}}\n{more}"
    )
    selection = ("--python", "3.11", "--glibc", "2.36", "--launcher", "uwsgi")
    ended = run(*selection, reports=project / "reports", project=project)
    (result,) = ended.results.values()
    return ended, result


FORBID = "resource.setrlimit(resource.RLIMIT_CORE, (1, 1)); ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)"
"""Code by which a process leaves no core, so that the journal has no entry of it."""


@pytest.mark.parametrize("forbid", ["pass", FORBID], ids=["with a core", "without a core"])
def test_a_worker_that_has_its_crash_recorded_as_a_clean_end_is_contradicted(
    tmp_path: Path, forbid: str
) -> None:
    """It writes its end in its master's place, and takes from the master the right to write another.

    Linux from 6.15 on tells how it ended, whatever it does; before, its core does, if it leaves one.
    """
    if forbid == FORBID and not kernel_tells():
        pytest.skip("needs Linux 6.15: PIDFD_INFO_EXIT")
    expect = "expect: [{when: 'true', outcome: exit, children: allowed, because: a test}]\n"
    requests = f"requests: [{{path: /crash}}, {{path: /}}]\n{expect}"
    ended, result = serve(tmp_path, WORKER.replace("FORBID", forbid), requests)
    (trial,) = result.trials
    if kernel_tells():
        assert (ended.code, result.judgement.verdict) == (1, Verdict.FAIL), ended.stdout + ended.stderr
        (note,) = [text for text in trial.outcome.notes if text.startswith("its server said of process ")]
        assert note.endswith(" that it ended with 0, the kernel that SIGABRT ended it")
    else:
        assert (ended.code, result.judgement.verdict) == (3, Verdict.ERROR), ended.stdout + ended.stderr
        assert "the supervisor reports exit 0 of process " in result.judgement.reason
        assert result.judgement.reason.endswith("and the journal has its core, of SIGABRT")
    if forbid != FORBID:
        assert [crash.signal.name for crash in trial.crashes] == ["SIGSEGV"]


def test_a_worker_that_crashes_just_before_the_time_is_up_did_not_hang(tmp_path: Path) -> None:
    _, result = serve(tmp_path, LATE, "requests: [{path: /late}]\ntimeout: 15\n")
    (trial,) = result.trials
    assert result.judgement.verdict is Verdict.FAIL
    assert result.judgement.reason.startswith("SIGSEGV ")
    assert "0x10" in [crash.signal.fault_address for crash in trial.crashes]


LEFT = """\
import subprocess, sys, time
subprocess.run([sys.executable, "-c", "import ctypes; ctypes.string_at(0)"])
print("crashed", flush=True)
time.sleep(600)
"""


def docker(*words: str) -> str:
    return subprocess.run(
        ["/usr/bin/env", "docker", *words], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_a_container_that_is_killed_from_outside_still_tells_of_its_cores(tmp_path: Path) -> None:
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "matrix.yaml").write_text("schema: 1\n")
    (tmp_path / "left.py").write_text(LEFT)
    (tmp_path / "scenarios/left.yaml").write_text("schema: 1\nscript: left.py\ntimeout: 300\n")
    reports = tmp_path / "reports"
    line = command("run", "--reports", reports, "--python", "3.11", "--glibc", "2.36", project=tmp_path)
    process = subprocess.Popen([*line, "--launcher", "plain"], stdout=subprocess.PIPE, text=True)
    until = time.monotonic() + 240
    while not any("crashed" in path.read_text() for path in reports.glob("*/cells/**/stdout.txt")):
        assert time.monotonic() < until, "the program never started"
        assert process.poll() is None
        time.sleep(0.1)
    (folder,) = (path.parent for path in reports.glob("*/plan.json"))
    container = docker("ps", "--quiet", "--filter", f"label={LABEL_RUN}={folder.name}")
    docker("kill", container)
    said, _ = process.communicate(timeout=240)
    assert process.returncode == 3, said
    (result,) = Run(code=3, stdout=said, stderr="", reports=reports).results.values()
    assert result.judgement.verdict is Verdict.ERROR
    assert "status 137 and no report" in result.judgement.reason
    assert "the journal has a core of python3 (SIGSEGV)" in result.judgement.reason


def test_the_program_is_a_plain_user_without_capabilities(attacked: Run) -> None:
    (trial,) = result_of(attacked, "itself").trials
    said = [(attacked.folder / path).read_text() for path in (trial.outcome.stdout, trial.outcome.stderr)]
    none = "0000000000000000"
    assert said[0].splitlines()[1] == (
        "(1000, 1000, 1000) (1000, 1000, 1000) [1000] /work "
        f"[['CapInh:', '{none}'], ['CapPrm:', '{none}'], ['CapEff:', '{none}'], ['NoNewPrivs:', '1']] 1"
    )
    assert all(text.endswith("written\n") for text in said)


def test_each_attack_was_tried(attacked: Run) -> None:
    """A refusal that was not asked for proves nothing."""
    for attack, least in {"report": 7, "supervisor": 70}.items():
        (trial,) = result_of(attacked, attack).trials
        said = (attacked.folder / trial.outcome.stdout).read_text()
        assert said.count("refused ") >= least, said
