"""Which trials of a cell keep their evidence."""

from pathlib import Path

import pytest

from orchestrator.errors import HostError
from orchestrator.model import Judgement, Verdict
from orchestrator.pipeline.evidence import QUIET, TELLING, Evidence
from tests.unit.run_factory import cell, crashed_trial, quiet_trial
from tests.unit.users import plain_user


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


def test_evidence_that_is_not_kept_and_cannot_be_removed_is_an_error(tmp_path: Path) -> None:
    evidence = Evidence()
    passed = Judgement(verdict=Verdict.PASS, reason="")
    for place in (tmp_path, *tmp_path.parents):
        if not place.stat().st_mode & 0o005:
            place.chmod(0o755)  # pytest's own folders are closed to other users
    folder = tmp_path / "trial-1"
    folder.mkdir()
    (folder / "stdout.txt").write_text("")
    folder.chmod(0o555)
    for _ in range(QUIET):
        evidence.add(quiet_trial(cell()), passed, must_crash=False, folder=folder)
    with plain_user(), pytest.raises(HostError) as caught:
        evidence.add(quiet_trial(cell()), passed, must_crash=False, folder=folder)
    folder.chmod(0o755)
    assert caught.value.what == "evidence of a trial that is not kept cannot be removed: Permission denied"
    assert str(caught.value.where) == str(folder / "stdout.txt")
