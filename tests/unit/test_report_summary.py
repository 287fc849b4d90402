"""summary.md: worst first, no markup of others, within what a step summary takes."""

from pathlib import Path

from markdown_it import MarkdownIt

from orchestrator.model import Verdict
from orchestrator.report.summary import summary_markdown
from tests.unit import run_factory as factory

STEP_SUMMARY_LIMIT = 1024 * 1024


def test_the_worst_comes_first_with_its_reason(tmp_path: Path) -> None:
    factory.render(factory.bad_run(tmp_path))
    said = (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert said.startswith("## crashmatrix: 1 failed, 1 error, 1 not run, of 12 cells\n")
    assert "❌ fail **1** · ⚠️ error **1** · ⭕ not run **1** · ⏭️ skip **24** · ✅ pass **9**" in said
    wrong = [line for line in said.splitlines() if line.startswith(("| ❌", "| ⚠️", "| ⭕", "| ✅"))]
    assert [line.split("|")[1].strip() for line in wrong[:3]] == ["❌ fail", "⚠️ error", "⭕ not run"]
    assert "expected exit 0" in wrong[0]


def test_a_good_run_has_nothing_wrong(tmp_path: Path) -> None:
    factory.render(factory.write_run(tmp_path))
    said = (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert "All 12 cells are as expected" in said
    assert "What is wrong" not in said


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
    assert blocks.split() == ["<details><summary>All", "12", "cells</summary>", "</details>"]
    assert [token.tag for token in tokens if token.type == "heading_open"] == ["h2", "h3", "h3"]
    plain = "".join(child.content for child in children if child.type == "text")
    assert "@team" not in plain
    assert "https://" not in plain


def test_a_large_run_is_cut_and_says_so(tmp_path: Path) -> None:
    data = factory.load(factory.write_run(tmp_path, factory.RunSpec()))
    failed = factory.judged(Verdict.FAIL, "*" * 4000)
    many = [record for record in data.records if record.result] * 200
    broken = tuple(
        type(record)(planned=record.planned, result=failed(record.result)) for record in many if record.result
    )
    said = summary_markdown(type(data)(folder=data.folder, plan=data.plan, records=broken))
    assert len(said.encode()) < STEP_SUMMARY_LIMIT
    assert "This page is full; the rest is in index.html" in said[-200:]
