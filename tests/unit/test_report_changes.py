"""What changed, from a comparison or from the runs beside this one."""

import random
from dataclasses import replace
from pathlib import Path

from lxml import html

from orchestrator.model import History, PastRun, Plan, SignatureHistory
from orchestrator.report.changes import changes_of, signature_history, spark
from orchestrator.rundir import RunData, Status
from tests.unit import large_run
from tests.unit import run_factory as factory

CELLS = [cell.id for cell in factory.smoke_cells()]


def with_history(folder: Path, series: dict[str, str]) -> RunData:
    factory.write_run(folder)
    runs = [f"run-{number}" for number in range(len(next(iter(series.values()))) - 1)]
    history = History(
        run=factory.RUN,
        runs=tuple(PastRun(run=run, created="2026-11-01T00:00:00+00:00") for run in (*runs, factory.RUN)),
        cells=series,
        signatures=(
            SignatureHistory(signature="SIGSEGV f", first_run=factory.RUN, first_created="", runs=1),
            SignatureHistory(signature="SIGSEGV g", first_run="run-0", first_created="", runs=3),
        ),
    )
    (folder / "history.json").write_text(history.model_dump_json(), encoding="utf-8")
    return factory.load(folder)


def test_without_an_earlier_run_it_says_so(tmp_path: Path) -> None:
    said = changes_of(factory.load(factory.write_run(tmp_path)))
    assert said.sentence.startswith("There is no earlier run beside this one")
    assert said.groups == ()


def test_the_last_run_that_saw_a_cell_is_what_it_is_compared_with(tmp_path: Path) -> None:
    data = with_history(
        tmp_path,
        {
            CELLS[0]: "ppf",
            CELLS[1]: "pef",  # what was last observed was a pass
            CELLS[2]: "ffp",
            CELLS[3]: "ppe",
            CELLS[4]: "--p",
            CELLS[5]: "ppp",
            CELLS[6]: "eee",
            CELLS[7]: "pp-",
        },
    )
    changes = changes_of(data)
    assert changes.kinds == {
        CELLS[0]: "new",
        CELLS[1]: "new",
        CELLS[2]: "fixed",
        CELLS[3]: "no longer observed",
        CELLS[4]: "new cell",
    }
    assert changes.sentence == (
        "Since the last run, run-1: 2 cells newly fail; 1 cell is no longer observed; 1 cell is fixed; "
        "1 cell is new; 1 signature is new."
    )
    assert changes.new_signatures == ("SIGSEGV f",)
    earlier = signature_history(data, "SIGSEGV g")
    assert earlier
    assert earlier.first_run == "run-0"


def test_nothing_changed_is_said(tmp_path: Path) -> None:
    data = with_history(tmp_path, {CELLS[0]: "pp"})
    assert data.history
    quiet = replace(data, history=data.history.model_copy(update={"signatures": ()}))
    assert changes_of(quiet).sentence == "Since the last run, run-0: every verdict is the same."


def test_a_comparison_goes_before_the_history(tmp_path: Path) -> None:
    factory.write_run(tmp_path)
    large_run.write_context(tmp_path, CELLS, random.Random(1))  # noqa: S311
    changes = changes_of(factory.load(tmp_path))
    assert changes.sentence == f"Against {large_run.RUNS[-2]}: 3 cells newly fail, 1 is fixed."
    assert [(group.kind, len(group.changes)) for group in changes.groups] == [("new", 3), ("fixed", 1)]
    assert changes.not_comparable[0].count == 3


def test_the_overview_says_what_else_differs_what_cannot_be_compared_and_what_could_not_be_read(
    tmp_path: Path,
) -> None:
    factory.write_run(tmp_path)
    large_run.write_context(tmp_path, CELLS, random.Random(1))  # noqa: S311
    history = History.model_validate_json((tmp_path / "history.json").read_bytes())
    damaged = history.model_copy(update={"unreadable": ("20261119-x: not a readable plan.json",)})
    (tmp_path / "history.json").write_text(damaged.model_dump_json(), encoding="utf-8")
    plan = Plan.model_validate_json((tmp_path / "plan.json").read_bytes())
    part = plan.model_copy(update={"missing_shards": ("2/3",), "replaced": 4})
    (tmp_path / "plan.json").write_text(part.model_dump_json(), encoding="utf-8")
    factory.render(tmp_path)
    page = html.document_fromstring((tmp_path / "index.html").read_bytes())
    (section,) = page.xpath("//section[@aria-labelledby='changed']")
    said = " ".join(section.text_content().split())
    assert "Also different: image." in said
    named = ", ".join(CELLS[1:4])
    assert f"3 cells cannot be compared, only in this run: {named}." in said
    assert "A run beside this one could not be read: 20261119-x: not a readable plan.json" in said
    whole = " ".join(page.text_content().split())
    assert "Missing: shard 2/3. Its cells are not counted here" in whole
    assert "4 cells are in several runs" in whole
    summary = (tmp_path / "summary.md").read_text()
    assert "Also different: image." in summary
    assert "3 cells cannot be compared" in summary


def test_a_sparkline_has_a_mark_for_each_run(tmp_path: Path) -> None:
    data = with_history(tmp_path, {CELLS[0]: "p-ef"})
    marks = spark(data, CELLS[0])
    assert [mark.status for mark in marks] == [Status.PASS, None, Status.ERROR, Status.FAIL]
    assert marks[-1].run == factory.RUN
    assert spark(data, "no/such-cell") == ()
