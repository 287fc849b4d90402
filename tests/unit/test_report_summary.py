"""summary.md: worst first, no markup of others, within what a step summary takes."""

import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from orchestrator.model import FailedImage, Obstacle, Unobserved, Verdict
from orchestrator.pipeline.reporting import write_reports
from orchestrator.report import cause_words, words
from orchestrator.report.markdown import escape_markdown
from orchestrator.report.summary import summary_markdown
from tests.unit import run_factory as factory
from tests.unit.large_run import write_large
from tests.unit.test_report_markdown import page_text


def test_the_first_twenty_lines_have_each_cause_and_where_in_the_matrix_it_is(tmp_path: Path) -> None:
    folder = factory.bad_run(tmp_path)
    data = write_reports(folder)
    lines = (folder / "summary.md").read_text(encoding="utf-8").splitlines()
    assert lines[0] == f"## crashmatrix: {words.headline(data)}"
    first = lines[:20]
    assert len(data.open_causes) == 3
    for cause in data.open_causes:
        said = f"| {escape_markdown(cause_words.sentence(cause))} |"
        (row,) = (line for line in first if said in line)
        assert row.startswith("| ❌ **A** |" if cause.verdict is Verdict.FAIL else "| ")
        assert f"| {cause.count} of {cause.of} |" in row
    heads = next(line for line in first if "uwsgi · cpp" in line).split("|")[2:-1]
    squares = next(line for line in first if line.startswith("| py3.9 / glibc 2.31 |")).split("|")[2:-1]
    shown = dict(zip((head.strip() for head in heads), (square.strip() for square in squares), strict=True))
    assert shown == {
        "plain · cpp": "✅",
        "plain · rust": "✅",
        "uwsgi · cpp": "**B**",
        "uwsgi · rust": "**A**",
    }
    page = page_text("\n".join(lines))
    assert all(f"run again: {cause.command}" in page for cause in data.open_causes)


def test_a_failed_build_shows_its_step_its_error_and_the_log(tmp_path: Path) -> None:
    log = ("error[E0308]: `a|b`", "  <script>", "```", "3 | x", "  ^")
    image = FailedImage(
        role="probe-x", step="Step 4/8 : RUN x", error=log[0], lines=log, log="images/x/build.log"
    )
    broken = factory.judged(
        Verdict.ERROR, "x", trials=(), unobserved=Unobserved(obstacle=Obstacle.IMAGE, image=image)
    )
    folder = factory.write_run(tmp_path, factory.RunSpec(changes={factory.cell().id: broken}))
    write_reports(folder)
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse((folder / "summary.md").read_text())
    (block,) = (token for token in tokens if token.type == "code_block")
    assert block.content.splitlines() == list(log)
    assert not any(token.type == "html_inline" for token in tokens)
    assert "images/x/build.log" in page_text((folder / "summary.md").read_text())


def test_a_large_run_has_at_most_fifty_rows_of_cells(tmp_path: Path) -> None:
    said = summary_markdown(factory.load(write_large(tmp_path, 1_000)))
    rows = [line for line in said.splitlines() if re.match(r"\|.*\| `[\w-]+/py", line)]
    assert 0 < len(rows) <= 50
    assert len(said.encode()) < 100_000


def test_a_good_run_has_nothing_wrong(tmp_path: Path) -> None:
    factory.render(factory.write_run(tmp_path))
    said = (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert "All 12 cells are as expected" in said
    assert "| cause |" not in said.partition("<details>")[0]


def test_hostile_reasons_make_no_markup(tmp_path: Path) -> None:
    hostile = "</code></details><script>x</script> | a\n\n# h [l](http://e) ![i](http://e) **b** `c` @team https://e.org"
    changes = {factory.cell().id: factory.judged(Verdict.FAIL, hostile)}
    factory.render(factory.write_run(tmp_path, factory.RunSpec(changes=changes, run=hostile)))
    said = (tmp_path / "summary.md").read_text(encoding="utf-8")
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(said)
    children = [child for token in tokens for child in token.children or ()]
    assert {child.type for child in children} <= {
        "text",
        "code_inline",
        "strong_open",
        "strong_close",
        "softbreak",
    }
    assert "&#" not in said
    blocks = "".join(token.content for token in tokens if token.type == "html_block")
    assert blocks.split() == ["<details><summary>12", "cells</summary>", "</details>"]
    assert [token.tag for token in tokens if token.type == "heading_open"] == ["h2", "h3"]
    plain = "".join(child.content for child in children if child.type == "text")
    assert "@team" not in plain
    assert "https://" not in plain


def test_what_is_longer_than_a_step_summary_may_be_is_cut_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.report.summary.LIMIT", 5_000)
    write_reports(factory.bad_run(tmp_path))
    said = (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert len(said.encode()) < 5_000
    assert "This page is full; the rest is in index.html of the run's folder." in said
    folds = [line for line in said.splitlines() if line.startswith(("<details>", "</details>"))]
    assert len(folds) in (0, 2)
