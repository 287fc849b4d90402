"""Instruments in locked-down containers."""

from pathlib import Path

from orchestrator.model import Verdict
from tests.integration.runs import add_scenario, ask

WATCHED = "axes: {instrument: [strace, asan]}\n"


def test_strace_counts_the_failed_calls_and_its_lines_are_kept(project: Path, tmp_path: Path) -> None:
    wanted = "evidence: {kind: execve ENOENT, at_least: 1, at_most: 1}"
    add_scenario(project, "execute", f"outcome: exit, status: 0, {wanted}", more=WATCHED)
    ended = ask(project, tmp_path, "execute", "--axis", "instrument=strace,asan")
    assert ended.code == 0, ended.stdout + ended.stderr
    (result,) = ended.results.values()
    evidence = result.trials[0].outcome.evidence
    assert evidence is not None
    assert [(item.kind, item.count) for item in evidence.sightings] == [("execve ENOENT", 1)]
    assert '/nonexist", ["x"]' in evidence.sightings[0].first
    assert "strace: execve ENOENT, 1 times" in (ended.folder / "junit.xml").read_text()
    assert evidence.path is not None
    assert (ended.folder / evidence.path).read_text().count("execve(") > 1
    assert "instrument asan is not built yet" in (ended.folder / "plan.json").read_text()


def test_what_the_instrument_did_not_see_fails(project: Path, tmp_path: Path) -> None:
    wanted = "evidence: {kind: execve EFAULT}"
    add_scenario(project, "execute", f"outcome: exit, status: 0, {wanted}", more=WATCHED)
    ended = ask(project, tmp_path, "execute", "--axis", "instrument=strace")
    assert ended.code == 1, ended.stdout + ended.stderr
    (result,) = ended.results.values()
    assert result.judgement.verdict is Verdict.FAIL
    assert result.judgement.reason == "saw exit 0; expected execve EFAULT at least 1 times, seen 0"
