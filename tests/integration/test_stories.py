"""Stories 4 and 5 in a cell or two each, expectations turned round, and the traps that the stories have."""

import shutil
from pathlib import Path

import pytest

from orchestrator.model import CellResult, Verdict
from tests.integration.runs import Run, parts_that_assert_nothing, run

OLD = "py3.11-glibc2.36-x86_64-plain"
NEW = "py3.13-glibc2.41-x86_64-plain"
GETENV = f"getenv-race/{OLD}-cpp+reader=getenv+writer=native"
STRERROR = f"getenv-race/{OLD}-cpp+reader=strerror+writer=native"
SYSTEM = f"putenv-system/{OLD}-rust+change=grow+execute=system+writer=native"
WITHOUT_PYTHON = f"getenv-race/{OLD}-c+reader=getenv+writer=native"
SERVED = "putenv-system/py3.11-glibc2.36-x86_64-uwsgi-cpp+change=grow+execute=subprocess+writer=native"
INHERITED = f"putenv-system/{NEW}-cpp+change=grow+execute=posix-spawn-inherited+writer=native"


@pytest.fixture(scope="module")
def stories(tmp_path_factory: pytest.TempPathFactory) -> Run:
    cells = (GETENV, STRERROR, f"{STRERROR}+locale=C", SYSTEM, SERVED, INHERITED, WITHOUT_PYTHON)
    selected = [part for cell in cells for part in ("--cell", cell)]
    return run(*selected, reports=tmp_path_factory.mktemp("stories"))


def told(result: CellResult) -> CellResult:
    """The result, for the message where it is not as expected."""
    assert result.judgement.verdict is Verdict.PASS, result.judgement.reason
    return result


def test_stories_4_and_5_are_as_their_mechanism_says(stories: Run) -> None:
    assert stories.code == 0, stories.stdout + stories.stderr
    assert len(stories.results) == 7
    assert parts_that_assert_nothing(stories) == []


def test_a_program_that_could_not_be_executed_is_seen(stories: Run) -> None:
    result = told(stories.results[SYSTEM])
    said = (stories.folder / result.trials[-1].outcome.stdout).read_text()
    assert "call failed: os.system returned 32512" in said


def test_the_c_program_crashes_without_any_python(stories: Run) -> None:
    crash = told(stories.results[WITHOUT_PYTHON]).trials[-1].crash
    assert crash is not None
    names = {Path(module.path).name for module in crash.modules}
    assert "envrace" in names
    assert not any("python" in name for name in names)


def test_an_array_in_the_main_heap_is_used_again(stories: Run) -> None:
    """The trap: uWSGI's array lies there, where a thread with a heap of its own lets it grow in place."""
    result = told(stories.results[SERVED])
    said = (stories.folder / result.trials[-1].outcome.stdout).read_text()
    said += (stories.folder / result.trials[-1].outcome.stderr).read_text()
    assert "call failed: subprocess.run raised OSError 14 (Bad address)" in said


def test_the_environment_at_the_crash_is_read(stories: Run) -> None:
    """With all that the writer had set by then. How much of the old array is left is chance (test_faults)."""
    crash = told(stories.results[GETENV]).trials[-1].crash
    assert crash is not None
    assert crash.environment is not None
    names = {variable.name for variable in crash.environment.variables}
    assert "CRASHMATRIX_READER" in names
    assert any(name.startswith("CM_SET_") for name in names)
    assert crash.crash.function in ("getenv", "__GI_getenv")


def test_the_locale_decides_whether_strerror_reads_the_environment(stories: Run) -> None:
    """The trap: with the locale C nothing crashes, and the story seems to be mended."""
    assert told(stories.results[STRERROR]).trials[-1].crash is not None
    assert told(stories.results[f"{STRERROR}+locale=C"]).rate is not None
    assert all(trial.crash is None for trial in stories.results[f"{STRERROR}+locale=C"].trials)


def test_pythons_own_defect_is_named(stories: Run) -> None:
    crash = told(stories.results[INHERITED]).trials[-1].crash
    assert crash is not None
    assert crash.message is not None
    assert crash.message.startswith("free(): invalid ")  # pointer or size, by what is freed first


def test_nothing_that_may_crash_is_process_1(stories: Run) -> None:
    """The trap: as process 1 of a container, abort() kills nothing but itself by another signal, or hangs."""
    pids = [trial.outcome.pid for result in stories.results.values() for trial in result.trials]
    assert pids
    assert all(pid is not None and pid > 1 for pid in pids)


def test_a_store_in_a_destructor_that_is_optimised_away_hides_the_crash(
    project: Path, tmp_path: Path
) -> None:
    """The trap of story 1, by g++ -O2; clang keeps the store. Nothing is freed, so nothing is chance."""
    kept, lost = (project / "scenarios" / name for name in ("tls-atexit", "lost-store"))
    module = "source: cpp/tlsprobe.cpp, module: tlsprobe"
    replace(kept / "scenario.yaml", module, f"{module}, toolchain: native")
    replace(kept / "cpp/tlsprobe.cpp", "        delete uses;\n", "")
    shutil.copytree(kept, lost)
    replace(lost / "cpp/tlsprobe.cpp", "long *volatile uses;", "long *uses;")
    replace(project / "matrix.yaml", "axes:\n  scenario: [", "axes:\n  scenario: [lost-store, ")
    asked = ("--scenario", "tls-atexit,lost-store", "--launcher", "uwsgi", "--probe", "cpp")
    ended = run(*asked, "--glibc", "2.36", reports=tmp_path / "reports", project=project)
    assert ended.code == 1, ended.stdout + ended.stderr
    told(ended.results["tls-atexit/py3.11-glibc2.36-x86_64-uwsgi-cpp"])
    result = ended.results["lost-store/py3.11-glibc2.36-x86_64-uwsgi-cpp"]
    assert result.judgement.verdict is Verdict.FAIL
    assert result.judgement.reason.startswith("saw exit 30; expected SIGSEGV with atexit_handler")
    said = (ended.folder / result.trials[0].outcome.stderr).read_text()
    assert "tlsprobe: atexit callback ran, value alive" in said


def replace(path: Path, right: str, wrong: str) -> None:
    """Put other words in the one place where these stand."""
    text = path.read_text()
    assert text.count(right) == 1, f"{path} has changed"
    path.write_text(text.replace(right, wrong))


SURVIVES = (
    "outcome: exit\n    status: clean\n    message: 'getenv-race: survived'\n    absent: Traceback\n"
    "    survive: {rate: 0.25}\n    because: From 2.21"
)
CRASHES = "outcome: signal\n    signal: SIGSEGV\n"


@pytest.mark.parametrize(
    ("cell", "right", "wrong"),
    [
        (GETENV, f"{CRASHES}    frames: [getenv]\n", "outcome: exit\n"),
        (f"{STRERROR}+locale=C", SURVIVES, f"{CRASHES}    because: From 2.21"),
        (SYSTEM, "system returned (32512|-1)", "system returned 256"),
    ],
)
def test_an_expectation_turned_round_fails(
    project: Path, tmp_path: Path, cell: str, right: str, wrong: str
) -> None:
    path = project / "scenarios" / cell.partition("/")[0] / "scenario.yaml"
    assert right in path.read_text()
    path.write_text(path.read_text().replace(right, wrong))
    ended = run("--cell", cell, "--trials", "8", reports=tmp_path / "reports", project=project)
    assert ended.code == 1, ended.stdout + ended.stderr
    assert [result.judgement.verdict for result in ended.results.values()] == [Verdict.FAIL]
