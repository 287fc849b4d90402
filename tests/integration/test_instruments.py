"""Instruments in locked-down containers."""

from pathlib import Path

from orchestrator.model import CellResult, Evidence, Verdict
from tests.integration.runs import add_scenario, ask, parts_that_assert_nothing, run

WATCHED = "axes: {instrument: [strace, asan]}\n"


def evidence_of(result: CellResult) -> Evidence:
    evidence = result.trials[0].outcome.evidence
    assert evidence is not None
    return evidence


def test_strace_counts_the_failed_calls_and_its_lines_are_kept(project: Path, tmp_path: Path) -> None:
    wanted = "evidence: {kind: execve ENOENT, at_least: 1, at_most: 1}"
    add_scenario(project, "execute", f"outcome: exit, status: 0, {wanted}", more=WATCHED)
    ended = ask(project, tmp_path, "execute", "--axis", "instrument=strace,asan")
    assert ended.code == 0, ended.stdout + ended.stderr
    (result,) = ended.results.values()
    evidence = evidence_of(result)
    assert [(item.kind, item.count) for item in evidence.findings] == [("execve ENOENT", 1)]
    assert '/nonexist", ["x"]' in evidence.findings[0].first
    assert "strace: execve ENOENT, once" in (ended.folder / "junit.xml").read_text()
    assert evidence.path is not None
    assert (ended.folder / evidence.path).read_text().count("execve(") > 1
    assert (
        "Python, which loads a cpp probe, is compiled without it" in (ended.folder / "plan.json").read_text()
    )


def test_valgrind_tells_who_freed_and_who_allocated_the_block(project: Path, tmp_path: Path) -> None:
    wanted = (
        "evidence: {kind: InvalidRead in a freed block, at_most: 9,"
        " frames: [PyBytes_FromStringAndSize], freed: [free, ffi_call], allocated: [malloc, ffi_call]}"
    )
    more = "axes: {instrument: [none, valgrind]}\n"
    add_scenario(project, "use-after-free", f"outcome: exit, status: 0, {wanted}", more=more)
    ended = ask(project, tmp_path, "use-after-free", "--axis", "instrument=none,valgrind")
    results = ended.results
    watched = next(result for cell, result in results.items() if cell.endswith("+instrument=valgrind"))
    assert watched.judgement.verdict is Verdict.PASS, watched.judgement.reason
    (finding,) = evidence_of(watched).findings
    assert [stack.role for stack in finding.stacks] == ["seen", "freed", "allocated"]
    page = (ended.folder / f"cells/{watched.cell.id}/index.html").read_text()
    assert "PyBytes_FromStringAndSize" in page
    # The same question without the instrument: nothing is seen of it.
    (unwatched,) = (result for result in results.values() if result is not watched)
    assert unwatched.judgement.verdict is Verdict.FAIL
    assert unwatched.trials[0].outcome.status == 0


def test_asan_stops_the_read_of_a_freed_block_and_its_core_is_read(tmp_path: Path) -> None:
    """No race: the thread reads when finalization is over. libpython takes malloc from the program."""
    asked = "freed-state/py3.13-glibc2.41-x86_64-plain-c-embed+instrument=asan"
    ended = run("--cell", asked, reports=tmp_path / "reports")
    assert ended.code == 0, ended.stdout + ended.stderr
    result = ended.results[asked]
    (finding,) = evidence_of(result).findings
    assert finding.kind == "heap-use-after-free"
    assert [stack.role for stack in finding.stacks] == ["seen", "freed", "allocated", "other"]
    assert "asan: heap-use-after-free, once" in (ended.folder / "junit.xml").read_text()
    assert "freed by thread T0 here:" in (ended.folder / f"cells/{asked}/index.html").read_text()
    crash = result.trials[0].crash
    assert crash is not None
    assert crash.signature == "SIGABRT look_at_state > run"
    assert parts_that_assert_nothing(ended) == []


def test_a_wrapper_that_outlives_the_state_mends_what_valgrind_sees(tmp_path: Path) -> None:
    watched = "freed-state/py3.13-glibc2.41-x86_64-plain-c-embed+instrument=valgrind"
    ended = run("--cell", watched, "--cell", f"{watched}+mitigation=wrapper", reports=tmp_path / "reports")
    assert ended.code == 0, ended.stdout + ended.stderr
    seen = {
        cell: {item.kind for item in evidence_of(result).findings} for cell, result in ended.results.items()
    }
    assert seen == {watched: {"InvalidRead in a freed block"}, f"{watched}+mitigation=wrapper": set()}
    assert parts_that_assert_nothing(ended) == []


def test_what_the_instrument_did_not_see_fails(project: Path, tmp_path: Path) -> None:
    wanted = "evidence: {kind: execve EFAULT}"
    add_scenario(project, "execute", f"outcome: exit, status: 0, {wanted}", more=WATCHED)
    ended = ask(project, tmp_path, "execute", "--axis", "instrument=strace")
    assert ended.code == 1, ended.stdout + ended.stderr
    (result,) = ended.results.values()
    assert result.judgement.verdict is Verdict.FAIL
    assert result.judgement.reason == "saw exit 0; expected execve EFAULT at least 1 times, seen 0"


def test_an_expectation_of_a_freed_state_turned_round_fails(project: Path, tmp_path: Path) -> None:
    path = project / "scenarios/freed-state/scenario.yaml"
    right = "kind: InvalidRead in a freed block\n      frames"
    assert right in path.read_text()
    wrong = right.replace("frames", "at_least: 0\n      at_most: 0\n      frames")
    path.write_text(path.read_text().replace(right, wrong))
    cell = "freed-state/py3.13-glibc2.41-x86_64-plain-c-embed+instrument=valgrind"
    ended = run("--cell", cell, reports=tmp_path / "reports", project=project)
    assert ended.code == 1, ended.stdout + ended.stderr
    (result,) = ended.results.values()
    assert result.judgement.verdict is Verdict.FAIL
    assert "at most 0 times, seen 1" in result.judgement.reason
