"""A launcher and an instrument from outside of the program, run for real by their own files alone."""

import signal
from pathlib import Path

import pytest

from orchestrator.cli import main
from orchestrator.instruments import INSTRUMENTS
from orchestrator.launchers import LAUNCHERS
from orchestrator.model import OutcomeKind, Verdict
from tests.integration.runs import Run, add_scenario
from tests.plugins import pool, started


def test_a_launcher_and_an_instrument_run_by_their_own_files(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(LAUNCHERS, "pool", pool.LAUNCHER)
    monkeypatch.setitem(INSTRUMENTS, "started", started.INSTRUMENT)
    add_scenario(
        project, "served", "outcome: exit, status: clean, message: 'asked for / in pool'",
        more="axes: {instrument: [none, started]}\n",
    )  # fmt: skip
    matrix = project / "matrix.yaml"
    matrix.write_text(matrix.read_text().replace("launcher: [plain", "launcher: [pool, plain", 1))
    selection = ("--scenario", "served", "--glibc", "2.36", "--launcher", "pool", "--probe", "cpp")
    arguments = ("--axis", "instrument=none,started", "--reports", str(tmp_path / "reports"))
    before = signal.getsignal(signal.SIGTERM)
    code = main(["--project", str(project), "run", *selection, *arguments])
    signal.signal(signal.SIGTERM, before)
    said = capsys.readouterr()
    assert code == 0, said.out + said.err
    ended = Run(code=code, stdout=said.out, stderr=said.err, reports=tmp_path / "reports")
    alone, watched = (result for _, result in sorted(ended.results.items()))
    assert {alone.judgement.verdict, watched.judgement.verdict} == {Verdict.PASS}
    for result in (alone, watched):
        (trial,) = result.trials
        assert (trial.outcome.kind, trial.outcome.status) == (OutcomeKind.EXIT, 3)
        assert trial.outcome.notes == ()
    evidence = watched.trials[0].outcome.evidence
    assert evidence is not None
    assert [(item.kind, item.first) for item in evidence.findings] == [("started", "it runs python3")]
    assert "started: started, once" in (ended.folder / "junit.xml").read_text()
