"""The user's tests under the supervisor: real pytest processes that fail, crash, and are started again."""

import json
import os
import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.supervisor.report import LONGEST_DOING
from tests.unit.supervised import Cell

CRASH = "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n"


class Suite(Cell):
    """A cell whose scenario is a folder with tests, which the interpreter of these tests runs."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        python = root / "path" / "python3"
        python.unlink()
        python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        python.chmod(0o755)
        self.stdout = self.stderr = ""

    def write(self, **files: str) -> None:
        """Write files of the scenario: `test_a` is tests/test_a.py, `conftest` conftest.py."""
        for name, text in files.items():
            folder = self.root / "scenario" / ("tests" if name.startswith("test_") else ".")
            folder.mkdir(exist_ok=True)
            (folder / f"{name}.py").write_text(text)

    def test(self, *arguments: str, timeout: float = 60) -> dict[str, Any]:
        words = (f"--argument={word}" for word in ("-p", "no:cacheprovider", *arguments))
        process = self.start("plain", timeout, *words, target="pytest")
        stdout, stderr = process.communicate(timeout=90)
        self.stdout, self.stderr = stdout.decode(), stderr.decode()
        assert process.returncode == 0, self.stderr
        (ended,) = self.report["trials"]
        return dict(ended)

    def log(self) -> list[dict[str, Any]]:
        lines = (self.work / ".crashmatrix" / "tests-0.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def outcomes(self) -> dict[str, str]:
        ends = (event for event in self.log() if event["event"] == "end")
        return {event["node"].rpartition("::")[2]: event["outcome"] for event in ends}


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    return Suite(tmp_path)


@pytest.fixture(autouse=True)
def no_cores() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (before[1] and 1, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_CORE, before)


def test_each_test_is_logged_with_its_outcome_and_message(suite: Suite) -> None:
    suite.write(
        test_all="""
import pytest

def test_good(): pass
def test_bad(): assert 1 + 1 == 3, "arithmetic"
@pytest.fixture
def broken(): raise RuntimeError("no database")
def test_error(broken): pass
@pytest.mark.skip(reason="not today")
def test_skipped(): pass
@pytest.mark.xfail
def test_xfailed(): assert False
@pytest.mark.xfail
def test_xpassed(): pass
"""
    )
    ended = suite.test("tests")
    assert (ended["kind"], ended["status"], ended["doing"], ended["others"]) == ("exit", 1, None, [])
    assert suite.outcomes() == {
        "test_good": "passed", "test_bad": "failed", "test_error": "error", "test_skipped": "skipped",
        "test_xfailed": "xfailed", "test_xpassed": "xpassed",
    }  # fmt: skip
    messages = {event["node"]: event.get("message") for event in suite.log() if event["event"] == "end"}
    assert messages["tests/test_all.py::test_bad"] == "AssertionError: arithmetic"
    assert messages["tests/test_all.py::test_error"] == "RuntimeError: no database"
    assert messages["tests/test_all.py::test_skipped"] == "not today"


def test_what_tests_put_in_place_of_the_log_is_not_waited_for(suite: Suite) -> None:
    """A pipe without a writer; a nesting that no parser takes; a name longer than a report may hold."""
    suite.write(
        test_log="""
import os

def test_deep():
    with open(os.environ["CRASHMATRIX_TESTS_LOG"], "a") as log:
        log.write("[" * 100_000 + "\\n")

def test_pipe():
    os.unlink(os.environ["CRASHMATRIX_TESTS_LOG"])
    os.mkfifo(os.environ["CRASHMATRIX_TESTS_LOG"])
    os.abort()
"""
    )
    ended = suite.test("tests")
    assert (ended["kind"], ended["signal"], ended["doing"]) == ("signal", "SIGABRT", "the start of pytest")


def test_a_name_that_is_too_long_for_a_report_is_cut(suite: Suite) -> None:
    suite.write(
        test_name="""
import os

globals()["test_" + "n" * 5000] = lambda: os.abort()
"""
    )
    ended = suite.test("tests")
    assert ended["signal"] == "SIGABRT"
    assert len(ended["doing"]) == LONGEST_DOING


def test_the_tests_behind_a_crash_run_in_a_new_process(suite: Suite) -> None:
    suite.write(
        test_six=f"""
def test_1(): print("one")
def test_2():
    {CRASH.replace(chr(10), chr(10) + "    ")}
def test_3(): pass
def test_4():
    import os; os.abort()
def test_5(): assert False
def test_6(): pass
"""
    )
    ended = suite.test("tests")
    assert (ended["kind"], ended["signal"], ended["doing"]) == (
        "signal",
        "SIGSEGV",
        "tests/test_six.py::test_2",
    )
    second, last = ended["others"]
    assert (second["role"], second["signal"], second["doing"]) == (
        "pytest", "SIGABRT", "tests/test_six.py::test_4"
    )  # fmt: skip
    assert (last["kind"], last["status"], last["doing"]) == ("exit", 1, None)
    assert suite.outcomes() == {
        "test_1": "passed",
        "test_3": "passed",
        "test_5": "failed",
        "test_6": "passed",
    }
    starts = [event["node"] for event in suite.log() if event["event"] == "start"]
    assert len(starts) == len(set(starts)) == 6


def test_a_test_that_ends_the_process_by_exit_is_named_and_hides_no_others(suite: Suite) -> None:
    suite.write(test_exits="import os\ndef test_1(): os._exit(0)\ndef test_2(): pass\n")
    ended = suite.test("tests")
    assert (ended["kind"], ended["status"], ended["doing"]) == ("exit", 0, "tests/test_exits.py::test_1")
    assert suite.outcomes() == {"test_2": "passed"}


def test_a_module_whose_import_crashes_is_named_and_left_out(suite: Suite) -> None:
    suite.write(test_a=CRASH, test_b="def test_b(): pass\n")
    ended = suite.test("tests")
    assert (ended["signal"], ended["doing"]) == ("SIGSEGV", "the collection of tests/test_a.py")
    assert suite.outcomes() == {"test_b": "passed"}


def test_a_crash_while_pytest_starts_is_not_repeated(suite: Suite) -> None:
    suite.write(conftest=CRASH, test_b="def test_b(): pass\n")
    ended = suite.test("tests")
    assert (ended["signal"], ended["doing"], ended["others"]) == ("SIGSEGV", "the start of pytest", [])


def test_a_crash_after_the_last_test_is_one_at_the_end_of_pytest(suite: Suite) -> None:
    suite.write(test_b=f"import atexit\ndef dies():\n    {CRASH.replace(chr(10), chr(10) + '    ')}\n"
                       "def test_b(): atexit.register(dies)\n")  # fmt: skip
    ended = suite.test("tests")
    assert (ended["signal"], ended["doing"], ended["others"]) == ("SIGSEGV", "the end of pytest", [])


def test_a_test_that_hangs_is_named(suite: Suite) -> None:
    suite.write(test_h="import time\ndef test_1(): pass\ndef test_2(): time.sleep(600)\n")
    ended = suite.test("tests", timeout=5)
    assert (ended["kind"], ended["signal"], ended["doing"]) == ("hang", "SIGABRT", "tests/test_h.py::test_2")


def test_the_projects_own_configuration_and_its_folder_are_what_pytest_sees(suite: Suite) -> None:
    suite.write(
        helper="VALUE = 3\n",
        test_h="import helper\ndef test_value(own): assert helper.VALUE == own\n",
        conftest="import pytest\n@pytest.fixture\ndef own(): return 3\n",
    )
    (suite.root / "scenario" / "pytest.ini").write_text("[pytest]\naddopts = -k value\ntestpaths = tests\n")
    ended = suite.test()
    assert (ended["kind"], ended["status"]) == ("exit", 0)
    assert "configfile: pytest.ini" in suite.stdout
    assert suite.outcomes() == {"test_value": "passed"}
    assert (suite.work / "project" / "pytest.ini").exists()


@pytest.mark.parametrize(
    ("files", "arguments", "status"),
    [
        ({"test_e": ""}, (), 5),
        ({"test_e": ""}, ("--no-such-option",), 4),
        ({"test_e": "import nowhere\n"}, (), 2),
    ],
    ids=["nothing", "usage", "collection"],
)
def test_what_is_no_test_has_pytests_own_status(
    suite: Suite, files: dict[str, str], arguments: tuple[str, ...], status: int
) -> None:
    suite.write(**files)
    ended = suite.test("tests", *arguments)
    assert (ended["kind"], ended["status"], ended["doing"], ended["others"]) == ("exit", status, None, [])
    if status == 2:
        (failed,) = (event for event in suite.log() if event["event"] == "collected")
        assert failed["message"] == "ModuleNotFoundError: No module named 'nowhere'"


def test_a_worker_of_xdist_that_crashes_is_known_by_its_pid_and_its_test(suite: Suite) -> None:
    pytest.importorskip("xdist")
    tests = "\n".join(f"def test_{number}(): pass" for number in range(8))
    suite.write(test_x=f"import os\ndef test_dies(): os.abort()\n{tests}\n")
    ended = suite.test("tests", "-n", "2")
    assert (ended["kind"], ended["status"], ended["doing"], ended["others"]) == ("exit", 1, None, [])
    events = suite.log()
    (lost,) = (event for event in events if event["event"] == "lost")
    assert lost["node"] == "tests/test_x.py::test_dies"
    (start,) = (event for event in events if event["event"] == "start" and event["node"] == lost["node"])
    assert start["worker"] == lost["of"]
    assert start["pid"] != ended["pid"]
    assert len(suite.outcomes()) == 8


def test_no_more_than_seventeen_processes_run_and_what_is_left_is_counted(suite: Suite) -> None:
    tests = "\n".join(f"def test_{number}(): os.abort()" for number in range(20))
    suite.write(test_x=f"import os\n{tests}\n")
    ended = suite.test("tests", timeout=300)
    assert len(ended["others"]) == 16
    assert ended["others"][-1]["notes"] == [
        "pytest was not started again after 17 processes: 3 tests were not run"
    ]


def test_variables_of_the_supervisor_do_not_change_what_the_tests_start(suite: Suite) -> None:
    """A pytest that a test starts itself has no plugin of ours."""
    suite.write(test_p="""
import subprocess, sys
def test_inner(tmp_path):
    (tmp_path / "test_inside.py").write_text("def test_inside(): pass")
    subprocess.run([sys.executable, "-m", "pytest", str(tmp_path)], check=True)
    assert not [name for name in sys.path if "crashmatrix" in name][1:]
""")  # fmt: skip
    assert suite.test("tests")["status"] == 0
    assert list(suite.outcomes()) == ["test_inner"]
    assert os.environ.get("CRASHMATRIX_TESTS_LOG") is None


SAYS = """
import os, sys
def test_1(): print("first"); print("to stderr", file=sys.stderr)
def test_2():
    print("before"); print("on stderr", file=sys.stderr)
    os.system("echo from a child")
    os.abort()
def test_3(): print("third"); assert False
"""


def test_the_captured_output_of_a_test_that_crashes_is_printed(suite: Suite) -> None:
    suite.write(test_says=SAYS)
    ended = suite.test("tests")
    title = "--- captured {} of tests/test_says.py::test_2, during which its process ended ---\n"
    assert f"{title.format('stdout')}before\nfrom a child\n" in suite.stdout
    assert f"{title.format('stderr')}on stderr\n" in suite.stderr
    assert "first" not in suite.stdout
    assert "third" in suite.stdout
    assert ended["notes"] == []


@pytest.mark.parametrize("capture", ["sys", "no"])
def test_it_is_said_where_captured_output_is_lost(suite: Suite, capture: str) -> None:
    suite.write(test_says=SAYS)
    ended = suite.test("tests", f"--capture={capture}")
    lost = "what tests/test_says.py::test_2 printed is lost: pytest had captured it (--capture=sys)"
    assert ended["notes"] == ([lost] if capture == "sys" else [])


def test_the_captured_output_of_a_worker_that_crashes_is_printed(suite: Suite) -> None:
    pytest.importorskip("xdist")
    suite.write(test_says=SAYS)
    ended = suite.test("tests", "-n", "2")
    assert "test_2, during which its process ended ---\nbefore\nfrom a child\n" in suite.stdout
    assert ended["notes"] == []


def test_sources_in_the_current_folder_hide_no_installed_package(suite: Suite) -> None:
    suite.write(
        yaml="raise ImportError('the source, without what was compiled of it')",
        mine="answer = 42",
        test_all="import yaml, mine\n\ndef test_it(): assert yaml.safe_load('1') + mine.answer == 43\n",
    )
    assert suite.test("tests/")["status"] == 0
    assert suite.outcomes() == {"test_it": "passed"}
