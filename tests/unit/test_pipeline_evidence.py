"""Which trials of a cell keep their evidence."""

from pathlib import Path

from orchestrator.model import Judgement, Verdict
from orchestrator.pipeline.evidence import TELLING, Evidence
from tests.unit.run_factory import cell, crashed_trial


def test_the_crash_that_decides_is_kept_however_many_others_came_before(tmp_path: Path) -> None:
    evidence = Evidence()
    for number in range(1, TELLING + 3):
        folder = tmp_path / f"trial-{number}"
        folder.mkdir()
        verdict = Verdict.PASS if number == TELLING + 2 else Verdict.FAIL
        trial = crashed_trial(cell()).model_copy(update={"number": number})
        evidence.add(trial, Judgement(verdict=verdict, reason=""), must_crash=True, folder=folder)
    assert [trial.number for trial in evidence.kept] == [*range(1, TELLING + 1), TELLING + 2]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        f"trial-{trial.number}" for trial in evidence.kept
    )
    assert evidence.not_kept == 1
