"""Nights: what one begins from, what it keeps, and one issue for each cause, never two."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from orchestrator.cli import main
from orchestrator.errors import InputError
from orchestrator.model import Artifact, Cause, CauseKind, Plan, TrackedIssue, Verdict
from orchestrator.night import Step, StepKind, newest_complete, steps
from orchestrator.pipeline.night import is_complete, keep_nights
from orchestrator.pipeline.reporting import write_reports
from orchestrator.pipeline.times import Past
from orchestrator.report import issue_text, issue_title
from orchestrator.rundir import RunFolder
from tests.unit import run_factory as factory
from tests.workflows.lab import write_gh
from tests.workflows.store import FORK, REPOSITORY, Store

RUN = 500
JOB = {
    "GITHUB_RUN_ID": str(RUN),
    "GITHUB_REF_NAME": "main",
    "GITHUB_REPOSITORY_ID": str(REPOSITORY),
    "GITHUB_REPOSITORY": "lab/lab",
    "GITHUB_SERVER_URL": "https://github.invalid",
}
URL = "https://github.invalid/lab/lab/actions/runs/500"


def artifact(run: int, number: int = 1, **changes: object) -> Artifact:
    usual = {"branch": "main", "repository": 7, "head_repository": 7, "expired": False}
    return Artifact.model_validate({"id": number, "run": run, **usual, **changes})


def test_the_newest_complete_night_of_this_branch_and_repository_is_taken() -> None:
    older, newer = artifact(300), artifact(400, 2)
    others = [
        artifact(450, 3, head_repository=8),  # a pull request of a fork
        artifact(460, 4, branch="try"),
        artifact(470, 5, expired=True),
        artifact(RUN, 6),  # an earlier attempt of this run
        artifact(600, 7),  # of a later night, where this one is run again
        artifact(480, 8, repository=8, head_repository=8),
    ]
    every = [older, *others, newer]
    assert newest_complete(every, run=RUN, branch="main", repository=7) == newer
    assert newest_complete(others, run=RUN, branch="main", repository=7) is None


def cause(name: str, kind: CauseKind = CauseKind.CRASH) -> Cause:
    cell = factory.cell().id
    return Cause(
        id=name, kind=kind, verdict=Verdict.FAIL, scenario="s", title="SIGSEGV f", count=1, of=2,
        cells=(cell,), example=cell, link="x", command="crashmatrix run",
    )  # fmt: skip


def issue(number: int, name: str, *, is_open: bool = True, not_planned: bool = False) -> TrackedIssue:
    return TrackedIssue(number=number, cause=name, is_open=is_open, not_planned=not_planned)


def told(found: Sequence[Step]) -> list[tuple[str, str, int | None]]:
    return [(step.kind, step.cause, step.issue.number if step.issue else None) for step in found]


def test_a_cause_has_one_issue_whatever_was_done_to_it() -> None:
    causes = [cause(name) for name in ("new", "known", "back", "unwanted")]
    causes += [cause(str(kind), kind) for kind in (CauseKind.ENGINE, CauseKind.HOST, CauseKind.NOT_RUN)]
    issues = [
        issue(9, "known"),  # a copy that somebody made
        issue(1, "known"),
        issue(2, "back", is_open=False),
        issue(3, "unwanted", is_open=False, not_planned=True),
        issue(4, "gone"),
        issue(5, "unseen"),
        issue(6, "long-gone", is_open=False),
    ]
    found = steps(causes, issues, lambda name: name != "unseen", most_new=10)
    assert told(found) == [
        ("open", "new", None),
        ("update", "known", 1),
        ("reopen", "back", 2),
        ("ignored", "unwanted", 3),
        ("close", "gone", 4),
    ]


def test_what_breaks_everything_opens_no_thousand_issues() -> None:
    found = steps([cause(f"c{number}") for number in range(30)], [], lambda _: True, most_new=10)
    kinds = [step.kind for step in found]
    assert kinds == [StepKind.OPEN] * 10 + [StepKind.TOO_MANY] * 20


def test_an_issue_is_known_by_its_first_line_alone() -> None:
    text = issue_text(cause("crash-s-0123456789"), "a-run", URL)

    def read(body: str) -> TrackedIssue | None:
        return TrackedIssue.of(number=1, is_open=True, not_planned=False, title="x", body=body)

    found = read(text.replace("\n", "\r\n"))
    assert found is not None
    assert (found.cause, found.body) == ("crash-s-0123456789", text)
    assert read(f"I see this too:\n{text}") is None


def test_hostile_text_of_a_program_is_no_markup_of_an_issue() -> None:
    title = "exit 1: --> @all <img src=x> ![x](http://x) `a` #1 \u202e\x1b[31m"
    text = issue_text(cause("c").model_copy(update={"title": title, "command": "`x`\n<!-- y"}), "r", URL)
    assert text.startswith("<!-- crashmatrix cause: c -->\n")
    assert "``" in text
    plain = "".join(part for at, part in enumerate(text.replace("``", "`").split("`")) if at % 2 == 0)
    assert not [bad for bad in ("@all", "<img", "![x]", "#1 ") if bad in plain]
    assert "\x1b" not in text
    assert "\u202e" not in text + issue_title(cause("c").model_copy(update={"title": title * 20}))
    assert len(issue_title(cause("c").model_copy(update={"title": title * 20}))) <= 200


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A job of GitHub Actions with `gh`, which keeps what it is asked."""
    programs = tmp_path / "bin"
    programs.mkdir()
    write_gh(programs)
    for name, value in {**JOB, "GH_TOKEN": "t", "LAB_STORE": str(tmp_path / "store")}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    made = Store(tmp_path / "store")
    made.read()
    return made


def night(nights: Path, day: int, *, fails: bool = False, runs: bool = True) -> Path:
    """A night: all as expected, or one cell fails, or one did not run."""
    failing = factory.judged(Verdict.FAIL, "exit 1") if fails else None
    changed = failing or (None if runs else lambda _: None)
    changes = {factory.cell().id: changed} if changed else {}
    folder = nights / f"202611{day:02}-020000-full"
    factory.write_run(folder, factory.RunSpec(changes=changes, run=folder.name))
    plan = Plan.model_validate_json((folder / "plan.json").read_text())
    created = {"created": f"2026-11-{day:02}T02:00:00+00:00"}
    (folder / "plan.json").write_text(plan.model_copy(update=created).model_dump_json())
    write_reports(folder)
    return folder


def kept(store: Store, nights: Path, run: int, *, repository: int = REPOSITORY) -> None:
    files = {str(path.relative_to(nights)): path for path in nights.rglob("*") if path.is_file()}
    store.add_artifact("night", run, files, overwrite=False, repository=repository)


def test_a_night_begins_from_the_last_and_keeps_what_the_next_needs(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = tmp_path / "first"
    for day in (1, 2):
        night(first, day, fails=True)
    assert keep_nights(first) == (first / "20261102-020000-full", True)
    assert {path.name for path in (first / "20261101-020000-full").iterdir()} == {
        "causes.json",
        "digest.json",
        "plan.json",
    }
    assert (first / "20261102-020000-full" / "cells").is_dir()
    kept(store, first, 400)
    kept(store, tmp_path / "none", 450, repository=FORK)
    second = tmp_path / "second"
    assert main(["night", "fetch", str(second)]) == 0
    assert "The last complete night is 20261102-020000-full, of run 400." in capsys.readouterr().out
    today = write_reports(night(second, 3, fails=True))
    assert today.history is not None
    assert set(today.history.cells[factory.cell().id]) == {"f"}
    assert len(today.history.runs) == 3
    assert today.history.unreadable == ()
    (known,) = today.open_causes
    assert known.since == "20261101-020000-full"
    assert today.comparison is not None
    assert (today.comparison.baseline, today.comparison.compared) == ("20261102-020000-full", 12)
    summary = (today.folder / "summary.md").read_text()
    assert "### These cells in the last 3 runs" in summary
    assert "| `20261101-020000-full` | 11 | 1 |" in summary
    output = tmp_path / "output"
    monkeypatch.setenv("GITHUB_OUTPUT", str(output))
    assert main(["night", "keep", str(second)]) == 0
    assert output.read_text() == f"complete=true\nrun={today.folder}\n"


def test_a_brief_night_has_the_times_and_verdicts_that_plans_go_by(store: Store, tmp_path: Path) -> None:
    first, past = tmp_path / "first", tmp_path / "past"
    for day in (1, 2):
        night(first, day, fails=day == 2)
    keep_nights(first)
    kept(store, first, 400)
    assert main(["night", "fetch", str(past), "--brief"]) == 0
    assert {path.name for path in past.rglob("*") if path.is_file()} == {
        "causes.json",
        "digest.json",
        "plan.json",
    }
    (past / "damaged").mkdir()
    (past / "damaged" / "plan.json").write_text("{")
    known = Past.read(past)
    assert known.seconds == Past.read(first).seconds == {cell.id: 1.7 for cell in factory.smoke_cells()}
    assert known.verdicts[factory.cell().id] == ("f", "2026-11-02T02:00:00+00:00")
    assert {verdict for verdict, _ in known.verdicts.values()} == {"p", "f"}


def test_a_night_without_any_before_it_is_no_error(store: Store, tmp_path: Path) -> None:
    kept(store, tmp_path / "none", RUN)
    assert main(["night", "fetch", str(tmp_path / "nights")]) == 0
    assert list((tmp_path / "nights").iterdir()) == []
    with pytest.raises(InputError, match="there is no run"):
        keep_nights(tmp_path / "nights")


def test_thirty_nights_are_kept(tmp_path: Path) -> None:
    for day in range(1, 31):
        folder = tmp_path / f"2026{day:04}"
        folder.mkdir()
        source = night(tmp_path / "made", day) if day == 1 else tmp_path / "made" / "20261101-020000-full"
        plan = Plan.model_validate_json((source / "plan.json").read_text())
        named = plan.model_copy(update={"run": folder.name, "created": f"2026-10-{day:02}T02:00:00+00:00"})
        (folder / "plan.json").write_text(named.model_dump_json())
    both = [night(tmp_path, day) for day in (28, 29)]
    assert keep_nights(tmp_path)[0] == both[1]
    assert len([path for path in tmp_path.iterdir() if (path / "plan.json").exists()]) == 30


def test_a_night_that_lacks_a_cell_is_not_complete(tmp_path: Path) -> None:
    assert is_complete(RunFolder(night(tmp_path, 1, fails=True)).load_results())
    assert not is_complete(RunFolder(night(tmp_path, 2, runs=False)).load_results())


def test_an_issue_is_opened_updated_closed_and_opened_again(store: Store, tmp_path: Path) -> None:
    states = []
    for day, fails in enumerate((True, True, False, True), start=1):
        night(tmp_path, day, fails=fails)
        assert main(["night", "issues", str(tmp_path)]) == 0
        (issue,) = store.issues()
        states.append((issue["state"], len(issue["comments"]), f"202611{day:02}-020000" in issue["body"]))
    assert states == [("OPEN", 0, True), ("OPEN", 0, True), ("CLOSED", 1, False), ("OPEN", 2, True)]
    verbs = [" ".join(call[:2]) for call in store.calls()]
    assert verbs == [
        "issue list", "label create", "issue create",
        "issue list", "issue edit",
        "issue list", "issue close",
        "issue list", "issue reopen", "issue edit",
    ]  # fmt: skip


def test_an_issue_is_closed_whatever_times_the_files_of_an_artifact_have(
    store: Store, tmp_path: Path
) -> None:
    """Unpacked in another order, an older night's digest seems older than its plan; its results are gone."""
    first = night(tmp_path, 1, fails=True)
    assert main(["night", "issues", str(tmp_path)]) == 0
    night(tmp_path, 2)
    keep_nights(tmp_path)
    os.utime(first / "plan.json", (2e9, 2e9))
    assert main(["night", "issues", str(tmp_path)]) == 0
    assert [issue["state"] for issue in store.issues()] == ["CLOSED"]


def test_a_night_that_lost_cells_closes_nothing(store: Store, tmp_path: Path) -> None:
    night(tmp_path, 1, fails=True)
    main(["night", "issues", str(tmp_path)])
    night(tmp_path, 2, runs=False)
    main(["night", "issues", str(tmp_path)])
    assert [issue["state"] for issue in store.issues()] == ["OPEN"]


def test_a_service_that_refuses_is_an_error_with_a_hint(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("GH_TOKEN")
    night(tmp_path, 1, fails=True)
    assert main(["night", "issues", str(tmp_path)]) == 3
    assert store.calls() == []
    assert "check GH_TOKEN, GH_REPO and the permissions of the job" in capsys.readouterr().err


def test_outside_of_a_job_the_commands_say_what_they_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("GITHUB_RUN_ID", raising=False)
    assert main(["night", "fetch", str(tmp_path / "x")]) == 2
    assert "this is no job of GitHub Actions" in capsys.readouterr().err
