"""Story 3 in one environment: what a write-up blamed returns, and what crashes is named."""

from pathlib import Path

from orchestrator.model import CellResult, Crash
from tests.integration.runs import parts_that_assert_nothing, run

CELLS = "finalize-signal/py3.11-glibc2.36-x86_64"
SETSIG = f"{CELLS}-plain-cpp+call=setsig+caller=c-atexit+registered=load"
IN_REQUEST = (
    f"{CELLS}-uwsgi-rust+call=err-occurred+caller=c-atexit+registered=request+mitigation=is-finalizing"
)


def crash(result: CellResult) -> Crash:
    (trial,) = result.trials
    assert trial.crash is not None
    return trial.crash


def test_a_thread_state_that_is_missing_crashes_with_the_interpreter_alive(tmp_path: Path) -> None:
    """The fault is PyErr_Occurred's, though faulthandler and uWSGI's handler both raised signals after it."""
    ended = run("--cell", SETSIG, "--cell", IN_REQUEST, reports=tmp_path / "reports")
    assert ended.code == 0, ended.stdout + ended.stderr
    assert ended.results[SETSIG].trials[0].crash is None
    found = crash(ended.results[IN_REQUEST])
    assert (found.signal.name, found.signal.delivered) == ("SIGSEGV", "SIGABRT")
    assert found.crash.function == "PyErr_Occurred"
    assert found.signature.startswith("SIGSEGV ")
    assert "uwsgi_segfault" not in found.signature
    assert parts_that_assert_nothing(ended) == []


def test_the_write_ups_own_diagnosis_fails(project: Path, tmp_path: Path) -> None:
    """Were PyOS_setsig what crashes, as the nearest symbol said, its cells would."""
    path = project / "scenarios/finalize-signal/scenario.yaml"
    right = '  - when: \'call in ("setsig", "getsig")\'\n    outcome: exit\n    status: clean\n'
    wrong = right.replace(
        "exit\n    status: clean\n", "signal\n    signal: SIGSEGV\n    frames: [PyOS_setsig]\n"
    )
    assert right in path.read_text()
    path.write_text(path.read_text().replace(right, wrong))
    ended = run("--cell", SETSIG, reports=tmp_path / "reports", project=project)
    assert ended.code == 1
    assert "saw exit 0; expected SIGSEGV with PyOS_setsig" in ended.results[SETSIG].judgement.reason


def test_the_fault_address_is_held_to_its_range(project: Path, tmp_path: Path) -> None:
    path = project / "scenarios/finalize-signal/scenario.yaml"
    assert "fault_address: '< 0x2000'" in path.read_text()
    path.write_text(path.read_text().replace("fault_address: '< 0x2000'", "fault_address: '>= 0x2000'"))
    cell = f"{CELLS}-plain-cpp+call=err-occurred+caller=c-atexit+registered=load"
    ended = run("--cell", cell, reports=tmp_path / "reports", project=project)
    assert ended.code == 1, ended.stdout + ended.stderr
    assert "expected a fault address >= 0x2000, saw 0x60" in ended.results[cell].judgement.reason
