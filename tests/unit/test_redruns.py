"""The red run, captured: four causes of 15 cells that went wrong, told shortly and the same everywhere."""

from pathlib import Path
from urllib.parse import unquote

from lxml import html

from orchestrator.model import CauseKind, CauseState, Finding, Verdict
from orchestrator.pipeline.reporting import write_reports
from orchestrator.report.limits import run_limits
from orchestrator.rundir import RunFolder
from tests.unit import redruns


def test_fifteen_cells_have_four_causes(tmp_path: Path) -> None:
    found = redruns.report(tmp_path).causes
    told = [(cause.kind, cause.verdict, cause.count, cause.title) for cause in found]
    assert told == [
        (CauseKind.CRASH, Verdict.FAIL, 2, "SIGSEGV atexit_handler"),
        (
            CauseKind.HANG,
            Verdict.FAIL,
            1,
            "the main thread waits for a mutex held by thread 9; that waits for the GIL",
        ),
        (CauseKind.MISSING, Verdict.FAIL, 4, "a clean exit; SIGSEGV in getenv did not happen"),
        (
            CauseKind.BUILD,
            Verdict.ERROR,
            8,
            "image probe-tls-atexit-rust did not build: error[E0308]: mismatched types",
        ),
    ]
    assert {cause.state for cause in found} == {CauseState.NEW}
    where = [cause.where.text if cause.where else "" for cause in found]
    assert where == [
        'glibc < "2.41" and launcher == "uwsgi" (or python)',
        "only py3.9-glibc2.31-x86_64-uwsgi",
        'glibc >= "2.41" (or python)',
        'probe == "rust"',
    ]


def test_a_failed_build_keeps_its_step_its_error_and_its_log(tmp_path: Path) -> None:
    data = redruns.report(tmp_path)
    image = data.causes[-1].image
    assert image is not None
    assert image.step is not None
    assert image.step.startswith("Step 4/8 : RUN mkdir /out")
    assert image.lines == (
        "error[E0308]: mismatched types",
        "  --> rust/tlsprobe.rs:54:23",
        "   |",
        "54 |         *self.uses += 1u64;",
        "   |                       ^^^^ expected `i64`, found `u64`",
    )
    assert image.log is not None
    assert data.inside(image.log) is not None


def test_the_run_before_shows_what_the_red_run_fixed(tmp_path: Path) -> None:
    """The other way round: what the red run shows is gone in a run that saw the same cells well."""
    redruns.report(tmp_path)
    plan = tmp_path / redruns.BASELINE / "plan.json"
    plan.write_text(plan.read_text().replace('"created": "2026-11-30T10:33', '"created": "2026-11-30T12:33'))
    found = write_reports(tmp_path / redruns.BASELINE).causes
    assert [(cause.kind, cause.state, cause.since) for cause in found] == [
        (kind, CauseState.FIXED, redruns.RED)
        for kind in (CauseKind.CRASH, CauseKind.HANG, CauseKind.MISSING, CauseKind.BUILD)
    ]
    assert RunFolder(tmp_path / redruns.BASELINE).load().open_causes == ()


def test_the_overview_has_one_row_a_cause_with_its_cells_marked_and_its_best_example(tmp_path: Path) -> None:
    data = redruns.report(tmp_path)
    page = html.document_fromstring((data.folder / "index.html").read_bytes())
    rows = page.xpath("//table[@id='causes']/tbody/tr")
    assert [row.get("id") for row in rows] == [f"cause-{cause.id}" for cause in data.causes]
    for row, cause in zip(rows, data.causes, strict=True):
        (marks,) = row.xpath(".//svg[@class='picture']/path[@class='all']/@d")
        assert marks.count("M") == cause.count
        (example,) = row.xpath(".//td[@class='what']/div/a/@href")
        assert (data.folder / unquote(example)).is_file()
        assert unquote(example) == cause.link
    assert page.xpath("count(//path[@id='ground'])") == 1
    (only,) = [cause.where.finding for cause in data.causes if cause.where and cause.count == 1]
    assert only is Finding.ONE_CELL


def test_what_the_whole_run_cannot_tell_is_said_once_with_cells_that_would_settle_it(tmp_path: Path) -> None:
    limits = run_limits(redruns.report(tmp_path))
    assert limits.sentences == ("python and glibc change together", "only arch x86_64 ran")
    # The crash stops between 2.36 and 2.41, or between 3.11 and 3.13: each cell has one side of either.
    assert limits.settling[:2] == (
        "tls-atexit/py3.13-glibc2.36-x86_64-uwsgi-cpp",
        "tls-atexit/py3.11-glibc2.41-x86_64-uwsgi-cpp",
    )
