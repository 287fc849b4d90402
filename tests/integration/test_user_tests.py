"""The user's own tests on real containers: pytest by pip's wheels, crashes with their cores, and xdist."""

import re
from pathlib import Path

import pytest
from junitparser import JUnitXml

from orchestrator.model import CaseOutcome, CellResult, CoreState, OutcomeKind, Verdict
from tests.integration.runs import Run, run

SUITE = """\
import ctypes, os, subprocess, sys
def test_1(): print("one")
def test_2():
    print("before it crashed")
    ctypes.string_at(0x10)
def test_3(): pass
def test_4(): os.abort()
def test_5(): assert 1 == 2, "no"
def test_6(): subprocess.run([sys.executable, "-c", "import ctypes; ctypes.string_at(0x20)"])
"""
PLACE = ("--python", "3.11", "--glibc", "2.36", "--launcher", "plain")


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A user's project."""
    project = tmp_path / "project"
    (project / "tests").mkdir(parents=True)
    (project / "scenarios").mkdir()
    (project / "matrix.yaml").write_text("schema: 1\n")
    return project


def ask(project: Path, scenario: str) -> tuple[Run, CellResult]:
    (project / "scenarios" / "suite.yaml").write_text(f"schema: 1\ntimeout: 120\n{scenario}\n")
    ended = run(*PLACE, reports=project / "reports", project=project)
    (result,) = ended.results.values()
    return ended, result


def test_a_suite_with_two_crashes_runs_to_its_end_and_each_crash_names_its_test(own: Path) -> None:
    (own / "tests" / "test_six.py").write_text(SUITE)
    (own / "pytest.ini").write_text("[pytest]\naddopts = -v\n")
    ended, result = ask(own, "pytest: [tests]")
    assert ended.code == 1, ended.stdout + ended.stderr
    (trial,) = result.trials
    tests = trial.outcome.tests
    assert tests is not None
    assert {case.node[-1]: case.outcome for case in tests.cases} == {
        "1": CaseOutcome.PASSED, "2": CaseOutcome.CRASHED, "3": CaseOutcome.PASSED,
        "4": CaseOutcome.CRASHED, "5": CaseOutcome.FAILED, "6": CaseOutcome.PASSED,
    }  # fmt: skip
    assert (trial.outcome.signal, trial.outcome.doing) == ("SIGSEGV", "tests/test_six.py::test_2")
    assert trial.crash is not None
    assert trial.crash.signal.fault_address == "0x10"
    abort, child = trial.others
    assert (abort.process.role, abort.process.doing) == ("pytest", "tests/test_six.py::test_4")
    assert (child.process.role, child.process.doing) == ("child", "tests/test_six.py::test_6")
    assert abort.crash is not None
    assert abort.crash.signal.name == "SIGABRT"
    assert child.crash is not None
    assert child.crash.signal.fault_address == "0x20"
    reason = result.judgement.reason
    assert reason.startswith("SIGSEGV ")
    assert "while tests/test_six.py::test_2 ran; 1 of 6 tests failed: tests/test_six.py::test_5" in reason
    stdout = (ended.folder / trial.outcome.stdout).read_text()
    assert "test_2, during which its process ended ---\nbefore it crashed\n" in stdout
    assert stdout.count("configfile: pytest.ini") == 3
    (suite,) = JUnitXml.fromfile(str(ended.folder / "junit.xml"))
    assert (suite.tests, suite.failures, suite.errors) == (7, 2, 2)
    pages = [path.read_text() for path in (ended.folder / "signatures").glob("*.html")]
    assert any("test_six.py::test_4" in page for page in pages)


def test_a_worker_of_xdist_that_crashes_has_its_core_and_its_test(own: Path) -> None:
    quiet = "".join(f"def test_{number}(): pass\n" for number in range(6))
    (own / "tests" / "test_x.py").write_text(
        f"import ctypes\n{quiet}def test_dies(): ctypes.string_at(0x30)\n"
    )
    ended, result = ask(own, "pytest: [tests, -n, '2']\nrequires: [pytest-xdist]")
    assert ended.code == 1, ended.stdout + ended.stderr
    (trial,) = result.trials
    assert (trial.outcome.kind, trial.outcome.status) == (OutcomeKind.EXIT, 1)
    (worker,) = trial.others
    assert worker.process.role in ("worker gw0", "worker gw1")
    assert worker.process.doing == "tests/test_x.py::test_dies"
    assert worker.crash is not None
    assert worker.crash.signal.fault_address == "0x30"
    assert "while tests/test_x.py::test_dies ran" in result.judgement.reason


def test_a_suite_that_passes_passes_and_asks_for_no_core(own: Path) -> None:
    (own / "tests" / "test_ok.py").write_text("def test_ok(): pass\n")
    ended, result = ask(own, "pytest: [tests]")
    assert ended.code == 0, ended.stdout + ended.stderr
    assert result.judgement.verdict is Verdict.PASS
    (trial,) = result.trials
    assert (trial.core.state, trial.others) == (CoreState.NONE, ())


@pytest.mark.parametrize(
    ("text", "arguments", "reason"),
    [
        ("", "[tests]", "pytest collected no tests"),
        ("import nowhere", "[tests]",
         "tests/test_x.py cannot be collected: ModuleNotFoundError: No module named 'nowhere'"),
        ("", "[tests, --nonsense]", "unrecognized arguments: --nonsense"),
    ],
    ids=["nothing", "import", "option"],
)  # fmt: skip
def test_what_is_no_test_result_is_said_in_plain_words(
    own: Path, text: str, arguments: str, reason: str
) -> None:
    (own / "tests" / "test_x.py").write_text(f"{text}\n")
    ended, result = ask(own, f"pytest: {arguments}")
    assert ended.code == 1, ended.stdout + ended.stderr
    assert reason in result.judgement.reason


EVIL = r'''
import array, ctypes, json, os, pytest, socket, time
LOG, FILES = os.environ["CRASHMATRIX_TESTS_LOG"], os.environ["CRASHMATRIX_TESTS_FILES"]
NAMES = [
    "a\x1b[2Jb", "\x1b]0;owned\x07", "new\nline", "\u202egnirts", "<script>alert(1)</script>", "|a|`b`",
    "\ud800", "]]>", "\x9b31m", "\r::warning file=x::y", "a" * 5000,
]
EVIL = "".join(NAMES[:9]) + "\n::error::forged\n"

def write(data):
    log = os.open(LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(log, data + b"\n")
    os.close(log)

@pytest.fixture(autouse=True, scope="session")
def forged():
    """Events that no plugin wrote, and descriptors that never end, by the supervisor's own ways."""
    zeros = os.open("/dev/zero", os.O_RDONLY)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        for pid in (os.getpid(), 1, -1, 10**30, "x\x1b", None):
            way = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [zeros, zeros]))]
            try:
                sender.sendmsg([json.dumps(pid).encode()], way, socket.MSG_DONTWAIT, "\0" + FILES)
            except BlockingIOError:
                break
    for event in ("start", "end", "collected", "lost", "internal error", "process", "finish"):
        line = {"event": event, "pid": os.getpid(), "worker": None, "time": time.time(), "node": EVIL}
        line |= {"outcome": "failed", "seconds": 1.0, "message": EVIL, "detail": EVIL}
        write(json.dumps(line).encode())
    for data in (b"[" * 100_000, b'{"event":"start","pid":1,"time":' + b"9" * 9000 + b"}", b"\xff\0"):
        write(data)

@pytest.mark.parametrize("name", NAMES, ids=NAMES)
def test_says(name):
    os.write(1, b"\x1b[31mraw\xff\n")
    raise ValueError(EVIL + name)

def test_crashes():
    ctypes.string_at(0)
'''
ACTED_ON = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def test_a_suite_that_forges_its_log_changes_no_verdict_and_reaches_no_terminal(own: Path) -> None:
    (own / "tests" / "test_evil.py").write_text(EVIL)
    ended, result = ask(own, "pytest: [tests]")
    assert ended.code == 1, ended.stdout + ended.stderr
    assert result.judgement.verdict is Verdict.FAIL
    assert "SIGSEGV" in result.judgement.reason
    pages = [*ended.folder.rglob("*.html"), ended.folder / "junit.xml", ended.folder / "summary.md"]
    texts = [page.read_text() for page in pages]
    assert not any("<script>alert" in re.sub("`+.*?`+", "", text) for text in texts)
    for text in (ended.stdout, ended.stderr, *texts):
        assert not ACTED_ON.search(text), ACTED_ON.findall(text)[:5]
    assert not re.search(r"^\s*::", ended.stdout, re.MULTILINE)
    assert JUnitXml.fromfile(str(ended.folder / "junit.xml"))
