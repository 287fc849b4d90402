"""Comparing runs: what changed, what cannot be compared and why, and the history of runs."""

import html
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.cli import main
from orchestrator.errors import InputError
from orchestrator.model import Cell, CellResult, ChangeKind, Comparison, Plan, PlannedCells, Rate, Verdict
from orchestrator.pipeline.reporting import compare_runs, write_reports
from tests.unit import run_factory as factory

CELL = factory.cell(1)
QUIET = factory.cell(1, "plain")


def run(
    folder: Path,
    changes: dict[str, factory.Change] | None = None,
    *,
    created: str = "2026-11-20T06:00:01+00:00",
    cells: tuple[Cell, ...] = (),
    plan: Callable[[Plan], Plan] = lambda plan: plan,
) -> Path:
    factory.write_run(folder, factory.RunSpec(changes=changes or {}, run=folder.name, cells=cells))
    path = folder / "plan.json"
    made = Plan.model_validate_json(path.read_text()).model_copy(update={"created": created})
    path.write_text(plan(made).model_dump_json())
    return folder


def change(before: factory.Change, after: factory.Change, folder: Path, cell: Cell = CELL) -> Comparison:
    return compare_runs(run(folder / "a", {cell.id: before}), run(folder / "b", {cell.id: after}))


def same(result: CellResult) -> CellResult:
    return result


def not_run(_: CellResult) -> None:
    return None


def with_signature(signature: str) -> factory.Change:
    def made(result: CellResult) -> CellResult:
        crash = factory.crash().model_copy(update={"signature": signature})
        return result.model_copy(
            update={"trials": (factory.crashed_trial(result.cell).model_copy(update={"crash": crash}),)}
        )

    return made


def with_rate(count: int, trials: int) -> factory.Change:
    return lambda result: result.model_copy(update={"rate": Rate.of("crashed", count, trials)})


def test_the_same_twice_is_no_change(tmp_path: Path) -> None:
    found = change(same, same, tmp_path)
    assert (found.changes, found.not_comparable, found.compared) == ((), (), 12)
    assert found.sentence == "Nothing changed since a in 12 cells."


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        (same, factory.judged(Verdict.FAIL, "exit 0"), ChangeKind.NEW),
        (same, factory.judged(Verdict.ERROR, "no image", trials=()), ChangeKind.UNOBSERVED),
        (factory.judged(Verdict.FAIL, "exit 0"), same, ChangeKind.FIXED),
        (with_signature("A"), with_signature("B"), ChangeKind.SIGNATURE),
        (with_rate(1, 60), with_rate(40, 60), ChangeKind.RATE),
    ],
)
def test_each_kind_of_change(
    before: factory.Change, after: factory.Change, kind: ChangeKind, tmp_path: Path
) -> None:
    found = change(before, after, tmp_path)
    assert [(item.cell, item.kind) for item in found.changes] == [(CELL.id, kind)]
    assert found.sentence == f"Since a: 1 {kind}, of 12 cells compared."


def test_rates_whose_intervals_overlap_are_no_change(tmp_path: Path) -> None:
    assert change(with_rate(10, 60), with_rate(20, 60), tmp_path).changes == ()


def test_another_outcome_with_the_same_verdict_is_said(tmp_path: Path) -> None:
    def exits(result: CellResult) -> CellResult:
        trial = factory.quiet_trial(result.cell)
        outcome = trial.outcome.model_copy(update={"status": 3})
        return result.model_copy(update={"trials": (trial.model_copy(update={"outcome": outcome}),)})

    (item,) = change(same, exits, tmp_path, QUIET).changes
    assert item.kind is ChangeKind.OUTCOME
    assert item.sentence == "exit 0, as expected; now exit 3, as expected."


def test_what_else_differs_is_named_beside_a_change(tmp_path: Path) -> None:
    def patched(result: CellResult) -> CellResult:
        trial = result.trials[0]
        versions = trial.outcome.versions | {"python": "3.11.99"}
        outcome = trial.outcome.model_copy(update={"versions": versions})
        failed = factory.judged(Verdict.FAIL, "x", trials=(trial.model_copy(update={"outcome": outcome}),))
        made = failed(result)
        assert made is not None
        return made

    (item,) = change(same, patched, tmp_path).changes
    assert item.differences == ("python 3.11.2 became 3.11.99",)


def test_what_cannot_be_compared_has_its_reason(tmp_path: Path) -> None:
    lost, gone, other = factory.cell(0), factory.cell(1), factory.cell(2)

    def stricter(plan: Plan) -> Plan:
        cells = PlannedCells.of(
            item.model_copy(update={"expectation": factory.SURVIVES}) if item.cell == other else item
            for item in plan.cells
        )
        return plan.model_copy(update={"cells": cells})

    before = run(tmp_path / "a", {lost.id: factory.judged(Verdict.ERROR, "lost")}, plan=stricter)
    cells = tuple(cell for cell in factory.smoke_cells() if cell != factory.cell(0, "plain"))
    found = compare_runs(before, run(tmp_path / "b", {gone.id: lambda _: None}, cells=cells))
    reasons = {group.reason: group.cells for group in found.not_comparable}
    assert reasons == {
        "error in the baseline": (lost.id,),
        "not run in this run": (gone.id,),
        "another expectation": (other.id,),
        "not in this run": (factory.cell(0, "plain").id,),
    }
    assert found.compared == 8


def test_that_a_cell_fails_by_another_expectation_is_said_first(tmp_path: Path) -> None:
    """It did the same in both runs; a reader who finds it red must not be told that nothing changed."""
    result = factory.judged(Verdict.FAIL, "saw SIGSEGV; expected exit 0")

    def stricter(plan: Plan) -> Plan:
        cells = PlannedCells.of(
            item.model_copy(update={"expectation": factory.SURVIVES}) if item.cell == factory.cell() else item
            for item in plan.cells
        )
        return plan.model_copy(update={"cells": cells})

    before, after = run(tmp_path / "a"), run(tmp_path / "b", {factory.cell().id: result}, plan=stricter)
    assert compare_runs(before, after).sentence.endswith(
        "in 11 cells; 1 cell cannot be compared: another expectation (pass there, fail here)."
    )


def test_diff_exits_by_what_it_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = str(run(tmp_path / "a"))
    other = str(run(tmp_path / "b", {CELL.id: factory.judged(Verdict.FAIL, "x")}))
    apart = str(run(tmp_path / "c", cells=(factory.cell(1, "uwsgi", "cpp", flags="O2"),)))
    assert main(["diff", one, one]) == 0
    assert main(["diff", one, apart]) == 3
    assert main(["diff", one, str(tmp_path / "none")]) == 2
    capsys.readouterr()
    assert main(["diff", one, other]) == 1
    assert f"new {CELL.id}: SIGSEGV (anonymous namespace)" in capsys.readouterr().out
    assert main(["diff", "--json", one, other]) == 1
    assert json.loads(capsys.readouterr().out)["changes"][0]["kind"] == "new"


def test_a_cell_is_compared_with_the_newest_run_that_saw_it(tmp_path: Path) -> None:
    run(
        tmp_path / "oldest",
        {CELL.id: factory.judged(Verdict.FAIL, "x")},
        created="2026-11-17T06:00:00+00:00",
    )
    run(tmp_path / "last", created="2026-11-18T06:00:00+00:00")
    run(
        tmp_path / "another",
        created="2026-11-19T06:00:00+00:00",
        plan=lambda plan: plan.model_copy(update={"selection": "--profile full"}),
    )
    run(tmp_path / "later", created="2026-11-21T06:00:00+00:00")
    now = run(tmp_path / "now", {QUIET.id: lambda _: None})
    data = write_reports(now)
    assert data.comparison is not None
    assert data.comparison.baseline == "another"
    assert data.history is not None
    assert [item.run for item in data.history.runs] == ["oldest", "last", "another", "now"]
    assert data.history.cells[CELL.id] == "fppp"
    assert data.history.cells[QUIET.id] == "pppn"
    (signature,) = data.history.signatures
    assert (signature.first_run, signature.runs) == ("oldest", 4)
    chosen = write_reports(now, tmp_path / "oldest").comparison
    assert chosen is not None
    assert [item.kind for item in chosen.changes] == [ChangeKind.FIXED]
    assert "Since oldest: 1 fixed" in html.unescape((now / "summary.md").read_text())


def test_a_damaged_run_beside_it_is_named_and_stops_nothing(tmp_path: Path) -> None:
    run(tmp_path / "broken", created="2026-11-18T06:00:00+00:00")
    place = tmp_path / "broken" / "cells" / CELL.id / "result.json"
    place.write_text("{")
    now = run(tmp_path / "now")
    history = write_reports(now).history
    assert history is not None
    assert [text.partition(":")[0] for text in history.unreadable] == ["broken"]
    with pytest.raises(InputError):
        write_reports(now, tmp_path / "broken")


def test_a_digest_saves_reading_results_again_and_is_not_trusted_when_older(tmp_path: Path) -> None:
    old = run(tmp_path / "old", created="2026-11-18T06:00:00+00:00")
    write_reports(old)
    digest = old / "digest.json"
    digest.write_text(digest.read_text().replace('"p"', '"f"'))
    now = run(tmp_path / "now")
    assert write_reports(now).history.cells[CELL.id] == "fp"  # type: ignore[union-attr]
    os.utime(digest, (1, 1))
    os.utime(old / "plan.json", (1, 1))
    assert write_reports(now).history.cells[CELL.id] == "fp"  # type: ignore[union-attr]
    os.utime(old / "plan.json", (2, 2))
    write_reports(now)
    history = factory.load(now).history
    assert history is not None
    assert history.cells[CELL.id] == "pp"


def test_a_stopped_run_is_no_baseline_for_what_it_did_not_see(tmp_path: Path) -> None:
    broken = factory.judged(Verdict.FAIL, "x")
    run(tmp_path / "whole", created="2026-11-17T06:00:00+00:00")
    lost = factory.judged(Verdict.ERROR, "no")
    stopped: dict[str, factory.Change] = {QUIET.id: lost, CELL.id: not_run}
    run(tmp_path / "stopped", stopped, created="2026-11-18T06:00:00+00:00")
    now = run(tmp_path / "now", {CELL.id: broken, QUIET.id: broken})
    found = write_reports(now).comparison
    assert found is not None
    assert (found.baseline, found.older) == ("stopped", ("whole",))
    assert [(item.cell, item.kind, item.baseline) for item in found.changes] == [
        (QUIET.id, ChangeKind.NEW, "whole"),
        (CELL.id, ChangeKind.NEW, "whole"),
    ]
    assert found.sentence == "Since stopped and older runs: 2 new, of 12 cells compared."
    assert found.not_comparable == ()


def test_cells_that_no_earlier_run_saw_are_named_so(tmp_path: Path) -> None:
    seen: dict[str, factory.Change] = {
        cell.id: not_run for cell in factory.smoke_cells() if cell not in (CELL, QUIET)
    }
    run(tmp_path / "part", seen, created="2026-11-17T06:00:00+00:00")
    found = write_reports(run(tmp_path / "now")).comparison
    assert found is not None
    assert [(item.reason, item.count) for item in found.not_comparable] == [("no earlier run saw it", 10)]
    everything: dict[str, factory.Change] = {cell.id: not_run for cell in factory.smoke_cells()}
    run(tmp_path / "b" / "none", everything, created="2026-11-17T06:00:00+00:00")
    assert write_reports(run(tmp_path / "b" / "now")).comparison is None
