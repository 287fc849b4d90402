"""The main job as a user runs it: real containers, a real uWSGI, real cores."""

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from junitparser import JUnitXml
from lxml import etree

from orchestrator.model import CoreState, OutcomeKind, Verdict
from tests.integration.runs import ROOT, Run, add_scenario, ask, command, run

CRASHING = [
    "tls-atexit/py3.9-glibc2.31-x86_64-uwsgi-cpp",
    "tls-atexit/py3.11-glibc2.36-x86_64-uwsgi-cpp",
    "tls-atexit/py3.13-glibc2.41-x86_64-uwsgi-cpp",
]


def test_twelve_cells_are_as_expected(smoke_run: Run) -> None:
    assert smoke_run.code == 0, smoke_run.stdout + smoke_run.stderr
    results = smoke_run.results
    assert len(results) == 12
    assert {result.judgement.verdict for result in results.values()} == {Verdict.PASS}
    assert sorted(name for name, result in results.items() if result.trials[0].crash) == sorted(CRASHING)
    assert "All 12 cells are as expected" in smoke_run.stdout


@pytest.mark.parametrize("cell", CRASHING)
def test_the_original_fault_is_read_from_the_workers_own_core(smoke_run: Run, cell: str) -> None:
    (trial,) = smoke_run.results[cell].trials
    assert (trial.outcome.kind, trial.outcome.signal) == (OutcomeKind.SIGNAL, "SIGABRT")
    assert trial.outcome.core_dumped
    assert trial.core.state is CoreState.FOUND
    crash = trial.crash
    assert crash is not None
    assert (crash.signal.name, crash.signal.delivered) == ("SIGSEGV", "SIGABRT")
    assert (crash.crash.function, crash.crash.exact) == ("atexit_handler", True)
    assert crash.signature.startswith("SIGSEGV atexit_handler")
    assert crash.crashed_thread is not None
    frames = {frame.function: frame for frame in crash.crashed_thread.native}
    handler, worker = frames["atexit_handler"], frames["uwsgi_worker_run"]
    assert (handler.file, handler.line) == ("cpp/tlsprobe.cpp", _line_of("// the fault"))
    assert (worker.module, worker.exact) == ("/opt/crashmatrix/bin/uwsgi", True)
    assert any("libpython" in (frame.module or "") and frame.line for frame in crash.crashed_thread.native)
    assert not [warning for warning in crash.warnings if "build id" in warning]


def _line_of(text: str) -> int:
    """The line of the probe's source that has a text, so that edits move it along."""
    source = (ROOT / "scenarios/tls-atexit/cpp/tlsprobe.cpp").read_text().splitlines()
    (line,) = (number for number, content in enumerate(source, 1) if text in content)
    return line


def test_the_container_said_its_own_versions(smoke_run: Run) -> None:
    for result in smoke_run.results.values():
        (trial,) = result.trials
        assert trial.outcome.versions["glibc"] == result.cell.glibc
        assert trial.outcome.versions["python"].startswith(f"{result.cell.python}.")


def test_junit_is_read_by_its_readers(smoke_run: Run) -> None:
    path = smoke_run.folder / "junit.xml"
    schema = etree.XMLSchema(etree.parse(ROOT / "tests/data/junit.xsd"))
    schema.assertValid(etree.parse(path))
    suites = JUnitXml.fromfile(str(path))
    cases = [case for suite in suites for case in suite]
    assert len(cases) == 12
    assert (suites.failures, suites.errors) == (0, 0)
    crashed = next(case for case in cases if case.name == "tls-atexit/py3.13-glibc2.41-x86_64-uwsgi-cpp")
    assert "atexit_handler" in crashed.system_out


def test_the_command_by_hand_repeats_a_cell(smoke_run: Run) -> None:
    result = smoke_run.results["tls-atexit/py3.11-glibc2.36-x86_64-plain-rust"]
    done = subprocess.run(shlex.split(result.by_hand), capture_output=True, text=True, check=True)
    assert "tlsprobe: atexit callback ran, value alive" in done.stdout + done.stderr


def test_one_wrong_expectation_fails_one_cell(project: Path, tmp_path: Path) -> None:
    path = project / "scenarios/tls-atexit/scenario.yaml"
    text = path.read_text()
    wrong = """\
  - when: 'launcher == "plain" and python == "3.11" and probe == "cpp"'
    outcome: exit
    status: 7
    because: this expectation is wrong on purpose
"""
    right = """'launcher == "plain" and not (python == "3.11" and probe == "cpp")'"""
    text = text.replace("""'launcher == "plain"'""", right, 1).replace("expect:\n", f"expect:\n{wrong}", 1)
    path.write_text(text)
    ended = run(reports=tmp_path / "reports", project=project)
    assert ended.code == 1, ended.stdout + ended.stderr
    failed = {name for name, result in ended.results.items() if result.judgement.verdict is not Verdict.PASS}
    assert failed == {"tls-atexit/py3.11-glibc2.36-x86_64-plain-cpp"}
    (reason,) = (ended.results[name].judgement.reason for name in failed)
    assert reason == "saw exit 0; expected exit 7"


def test_an_expected_crash_that_does_not_happen_fails(project: Path, tmp_path: Path) -> None:
    path = project / "scenarios/tls-atexit/scenario.yaml"
    path.write_text(path.read_text().replace("frames: [atexit_handler, ", "frames: [another_handler, "))
    ended = run("--probe", "cpp", "--launcher", "uwsgi", "--glibc", "2.36", reports=tmp_path / "reports",
                project=project)  # fmt: skip
    assert ended.code == 1
    (result,) = ended.results.values()
    assert "not on the stack: another_handler" in result.judgement.reason


def test_a_hang_is_its_own_outcome_and_its_core_says_where(project: Path, tmp_path: Path) -> None:
    add_scenario(project, "hang", "outcome: hang", timeout=2)
    ended = ask(project, tmp_path, "hang")
    assert ended.code == 0, ended.stdout + ended.stderr
    (result,) = ended.results.values()
    (trial,) = result.trials
    assert trial.outcome.kind is OutcomeKind.HANG
    assert trial.crash is not None
    assert trial.crash.crashed_thread is not None
    assert any("nanosleep" in (frame.function or "") for frame in trial.crash.crashed_thread.native)
    assert (trial.crash.hang, trial.crash.signature) == (True, "hang python:pysleep")
    (said,) = trial.crash.waits
    assert "waits in clock_nanosleep, called by pysleep; in Python: <module>" in said


def test_in_a_server_that_embeds_python_a_hang_tells_who_has_the_gil(project: Path, tmp_path: Path) -> None:
    add_scenario(project, "served-hang", "outcome: hang", timeout=3)
    selection = ("--scenario", "served-hang", "--glibc", "2.36", "--launcher", "uwsgi", "--probe", "cpp")
    ended = run(*selection, reports=tmp_path / "reports", project=project)
    assert ended.code == 0, ended.stdout + ended.stderr
    (result,) = ended.results.values()
    crash = result.trials[0].crash
    assert crash is not None
    main = next(thread for thread in crash.threads if thread.tid == crash.main)
    holder = next(thread for thread in crash.threads if "hold" in [frame.function for frame in thread.python])
    assert main.waits is not None
    assert (main.waits.what, main.waits.thread) == ("the GIL", holder.tid)


def test_hostile_output_is_whole_on_disk_and_harmless_in_the_report(project: Path, tmp_path: Path) -> None:
    add_scenario(project, "hostile", "outcome: exit, status: 3")
    ended = ask(project, tmp_path, "hostile")
    assert ended.code == 0, ended.stdout + ended.stderr
    (result,) = ended.results.values()
    outcome = result.trials[0].outcome
    assert (ended.folder / outcome.stdout).read_bytes().startswith(b"\xff\xfe\x00 \x1b[31mred")
    assert (ended.folder / outcome.stderr).read_bytes() == b"\x00" * 70000 + b"end"
    etree.parse(ended.folder / "junit.xml")
    pages = [path.read_text() for path in ended.folder.glob("**/*.html")]
    assert pages
    assert not any("<script>document.title" in page for page in pages)


def test_an_axis_of_the_users_own_reaches_the_program(project: Path, tmp_path: Path) -> None:
    matrix = project / "matrix.yaml"
    add_scenario(project, "own-axis", "outcome: exit, message: cleanup is weakref")
    matrix.write_text(matrix.read_text().replace("exclude:", "  cleanup: [atexit, weakref]\n\nexclude:", 1))
    ended = ask(project, tmp_path, "own-axis")
    verdicts = {name: result.judgement.verdict for name, result in ended.results.items()}
    cell = "own-axis/py3.11-glibc2.36-x86_64-plain-cpp"
    assert verdicts == {f"{cell}+cleanup=atexit": Verdict.FAIL, f"{cell}+cleanup=weakref": Verdict.PASS}
    only = run("--cell", f"{cell}+cleanup=weakref", reports=tmp_path / "only", project=project)
    assert only.code == 0, only.stdout + only.stderr
    pages = only.folder / "cells" / f"{cell}+cleanup=weakref" / "index.html"
    assert pages.is_file()


def test_the_memory_limit_is_no_crash(project: Path, tmp_path: Path) -> None:
    add_scenario(project, "memory", "outcome: oom")
    ended = ask(project, tmp_path, "memory")
    assert ended.code == 0, ended.stdout + ended.stderr


def test_a_core_that_cannot_be_had_is_said_and_is_an_error(project: Path, tmp_path: Path) -> None:
    add_scenario(project, "core-lost", "outcome: signal, signal: SIGABRT")
    ended = ask(project, tmp_path, "core-lost")
    assert ended.code == 3
    (result,) = ended.results.values()
    assert result.judgement.verdict is Verdict.ERROR
    assert "its core was lost" in result.judgement.reason


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["run", "--glibc", "2.13"], 2, "--glibc 2.13: there is no glibc '2.13'"),
        (["run", "-k", "glibc <"], 2, "-k:1:8: the expression does not parse"),
        (["run", "--python", "3.9", "--glibc", "2.36"], 2, "--glibc 2.36 matches none of the 4 cells"),
        (
            ["run", "--cell", "tls-atexit/py3.13-glibc2.41-x86_64-uwsgi-cp"],
            2,
            "did you mean 'tls-atexit/py3.13-glibc2.41-x86_64-uwsgi-cpp'?",
        ),
        (
            ["run", "--cell", "tls-atexit/py3.12-glibc2.17-x86_64-uwsgi-cpp"],
            2,
            "CPython 3.12.1 (archive) needs glibc 2.30 or later",
        ),
        (["run", "--shard", "3/2"], 2, "is not I/N"),
        (["report", "no-such-run"], 2, "there is no run 'no-such-run'"),
    ],
)
def test_a_users_mistake_is_one_line(arguments: list[str], code: int, says: str) -> None:
    done = subprocess.run(command(*arguments), cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_without_an_engine_the_hint_is_named(tmp_path: Path) -> None:
    ended = run(reports=tmp_path, env={"DOCKER_HOST": f"unix://{tmp_path}/none.sock"})
    assert ended.code == 3
    assert "no container engine answers" in ended.stderr
    assert "nox -s setup" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_render_and_build_have_the_same_images_as_a_run(smoke_run: Run, tmp_path: Path) -> None:
    assert smoke_run.code == 0
    for name in ("render", "build"):
        line = command(name, "--out", tmp_path / name)
        done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        folders = {path.name for path in (tmp_path / name).iterdir()}
        assert folders == {path.name for path in (smoke_run.folder / "images").iterdir()}
    (cell,) = (tmp_path / "render").glob("cell-tls-atexit-trixie-uwsgi-cpp-*/Dockerfile")
    assert "FROM crashmatrix/base-trixie:" in cell.read_text()


def test_a_report_is_rendered_again_from_disk(smoke_run: Run) -> None:
    before = without_nonce(smoke_run)
    (smoke_run.folder / "index.html").unlink()
    line = command("report", "--reports", smoke_run.reports)
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert without_nonce(smoke_run) == before


def without_nonce(run: Run) -> str:
    """The overview, but for what is drawn anew each time: the word by which its own scripts are known."""
    return re.sub(r"nonce(=\"|-)[A-Za-z0-9_-]+", "nonce", (run.folder / "index.html").read_text())


def test_listing_runs_nothing_and_is_a_plan(tmp_path: Path) -> None:
    ended = run("--list", "--json", reports=tmp_path)
    assert ended.code == 0
    plan = json.loads(ended.stdout)
    assert len(plan["cells"]["rows"]) == 12
    assert not list(tmp_path.iterdir())
