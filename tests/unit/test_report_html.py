"""The pages: links that lead somewhere, a policy that forbids everything, text that stays text."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import html

from orchestrator.invocation import command
from orchestrator.model import (
    AddressRange,
    CellHost,
    Obstacle,
    Plan,
    PlannedCells,
    RunIdentity,
    Survival,
    Unobserved,
    Verdict,
)
from orchestrator.pipeline.reporting import write_reports
from orchestrator.report.signatures import signature_slug
from orchestrator.report.site import link
from tests.unit import run_factory as factory
from tests.unit.run_factory import judged

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{7*7}}\u202e\x1b[31m\0]]>"


def render(folder: Path) -> dict[Path, html.HtmlElement]:
    factory.render(folder)
    return {path: html.document_fromstring(path.read_bytes()) for path in folder.rglob("*.html")}


def grid(page: html.HtmlElement) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(page.get_element_by_id("data").text or "")
    return data


def words(element: html.HtmlElement) -> str:
    return " ".join(element.text_content().split())


def cell_page(pages: dict[Path, html.HtmlElement], cell_id: str) -> html.HtmlElement:
    return next(page for path, page in pages.items() if str(path).endswith(f"cells/{cell_id}/index.html"))


def test_a_cell_of_another_host_names_it_and_the_place_where_its_core_stays(tmp_path: Path) -> None:
    crashed = factory.cell()
    host = CellHost(name=f"box-3 {HOSTILE[:24]}", folder="/var/cache/fleet-runs/1")
    change = {crashed.id: lambda result: result.model_copy(update={"host": host})}
    pages = render(factory.write_run(tmp_path, factory.RunSpec(changes=change)))
    page = cell_page(pages, crashed.id)
    core = words(page.xpath("//section[@aria-labelledby='core']")[0])
    assert f"{host.name}:/var/cache/fleet-runs/1/cells/{crashed.id}/trial-1/core.zst" in core
    assert "--cores" in core
    assert "no longer" not in core
    assert host.name in [words(item) for item in page.xpath("//dt[.='host']/following-sibling::dd[1]")]
    other = cell_page(pages, factory.cell(0).id)
    assert not other.xpath("//dt[.='host']")
    assert "no longer in the run's folder" in words(other.xpath("//section[@aria-labelledby='core']")[0])


def test_a_page_for_the_run_each_cell_and_each_signature(tmp_path: Path) -> None:
    pages = render(factory.bad_run(tmp_path))
    assert len(pages) == 1 + 1 + 12 + 2
    data = grid(pages[tmp_path / "index.html"])
    assert data["planned"] == 12
    assert set(data["status"]) == set("fenpx")
    merged = next(axis for axis in data["axes"] if axis["name"] == "python+glibc")
    assert merged["values"][merged["cells"][0]] == "py3.9 / glibc 2.31"
    plain = pages[tmp_path / "cells.html"]
    assert len(plain.xpath("//tbody/tr")) == 12


@pytest.mark.parametrize("own", [{}, {"flags": "O2", "pkg": "1.2"}])
def test_every_link_leads_to_a_file_of_the_run_or_a_place_on_the_page(
    tmp_path: Path, own: dict[str, str]
) -> None:
    cells = tuple(factory.cell(pair, "uwsgi", "cpp", **own) for pair in range(3))
    pages = render(
        factory.write_run(tmp_path, factory.RunSpec(cells=cells, excluded=factory.smoke_excluded()))
    )
    links = [(path, page, target) for path, page in pages.items() for target in page.xpath("//@href")]
    assert len(links) > 50
    for path, page, target in links:
        if target.startswith("#"):
            assert page.get_element_by_id(target[1:]) is not None
        else:
            assert re.fullmatch(r"[A-Za-z0-9._/~%-]+(#(signature|cause)=[a-z0-9-]+)?", target), target
            file = path.parent / unquote(target.partition("#")[0])
            assert file.resolve().is_relative_to(tmp_path)
            assert file.is_file(), f"{path}: {target}"


def test_the_policy_allows_the_report_s_own_style_and_scripts_and_nothing_else(tmp_path: Path) -> None:
    nonces = set()
    for path, page in render(factory.bad_run(tmp_path)).items():
        (policy,) = page.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")
        (nonce,) = set(page.xpath("//@nonce"))
        nonces.add(nonce)
        scripts = page.xpath("//script[not(@type='application/json')]")
        assert len(scripts) == 1 + (path.name == "index.html" and path.parent == tmp_path)
        assert policy == (
            f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; base-uri 'none'; "
            "form-action 'none'"
        )
        assert [script.get("nonce") for script in scripts] == [nonce] * len(scripts)
        assert not page.xpath("//style | //img | //iframe | //@style")
        assert not [name for element in page.iter() for name in element.keys() if name.startswith("on")]  # noqa: SIM118
    assert len(nonces) == 1
    assert nonces.isdisjoint(render(tmp_path)[tmp_path / "index.html"].xpath("//@nonce"))


def test_hostile_text_stays_text_wherever_it_stands(tmp_path: Path) -> None:
    crash = factory.crash()
    frame = (
        crash.threads[0]
        .native[5]
        .model_copy(update={"function": HOSTILE, "module": HOSTILE, "file": HOSTILE})
    )
    thread = crash.threads[0].model_copy(update={"native": (frame,), "registers": {HOSTILE: HOSTILE}})
    site = crash.crash.model_copy(update={"function": HOSTILE, "module": HOSTILE})
    evil = crash.model_copy(
        update={
            "threads": (thread,),
            "crash": site,
            "signature": HOSTILE,
            "message": HOSTILE,
            "warnings": (HOSTILE,),
            "backends": {HOSTILE: HOSTILE},
        }
    )
    trial = factory.crashed_trial(factory.cell()).model_copy(update={"crash": evil})
    change = factory.judged(Verdict.FAIL, HOSTILE, trials=(trial,), repeat=HOSTILE, image_id=HOSTILE)
    output = HOSTILE.encode() + b"\xff"
    folder = factory.write_run(
        tmp_path,
        factory.RunSpec(changes={factory.cell().id: change}, stdout=output, stderr=output, run=HOSTILE),
    )
    pages = render(folder)
    for path, page in pages.items():
        assert not page.xpath("//script[not(@nonce or @type='application/json')] | //img | //@onerror")
        assert "<script>alert(1)</script>" in page.text_content()
        assert "{{7*7}}" in page.text_content()
        assert not set("\0\x1b\u202e") & set(path.read_text(encoding="utf-8"))


def test_a_cell_shows_expectation_outcome_and_the_original_fault(tmp_path: Path) -> None:
    page = cell_page(render(factory.write_run(tmp_path)), factory.cell().id)
    said = words(page)
    assert "glibc runs __call_tls_dtors first in exit()" in said
    assert "SIGSEGV SEGV_MAPERR at 0x0 (the process then ended by SIGABRT, which a handler raised)" in said
    assert "4 frames of the signal handler, above the fault" in said
    (site,) = page.find_class("site")
    function = "(anonymous namespace)::atexit_handler+0x1c"
    tags = "fault ✓ expected under test"
    assert words(site) == f"5 {function} {tags} tls_atexit_cpp.abi3.so probe.cpp:41"
    assert len(page.find_class("near")) == 1
    assert f"nox -s matrix -- --cell {factory.cell().id}" in said


def test_what_limits_the_evidence_is_said_where_the_reader_looks(tmp_path: Path) -> None:
    pages = render(factory.bad_run(tmp_path))
    lost, cut, near = (
        words(cell_page(pages, factory.cell(pair).id).find_class("caution")[0]) for pair in range(3)
    )
    assert "core lost: no journal entry within 20 s" in lost
    assert "core truncated" in cut
    assert "the architecture was emulated" in near
    assert "nearest symbol" in near
    brief = words(pages[tmp_path / "index.html"].find_class("care")[0])
    assert "1 cell on an emulated architecture" in brief
    assert "1 cell whose core was lost" in brief
    missing = cell_page(pages, factory.cell(2, "plain", "rust").id)
    assert "not run: interrupted" in words(missing.find_class("verdict")[0])


def test_a_core_is_opened_with_the_files_of_its_image(tmp_path: Path) -> None:
    folder = factory.write_run(tmp_path)
    core = folder / "cells" / factory.cell().id / "trial-1" / "core.zst"
    core.write_bytes(b"zstd")
    said = cell_page(render(folder), factory.cell().id).text_content()
    assert f"zstd -d cells/{factory.cell().id}/trial-1/core.zst" in said
    assert f"docker create crashmatrix/cell:{factory.KEY[:16]}" in said
    assert "-ex 'file sysroot/opt/crashmatrix/bin/uwsgi'" in said


def test_excluded_cells_are_in_the_grid_s_data_with_their_reason(tmp_path: Path) -> None:
    planned, left_out = factory.cell(1, "uwsgi", "cpp"), factory.smoke_excluded()
    spec = factory.RunSpec(cells=(planned,), excluded=left_out)
    data = grid(render(factory.write_run(tmp_path, spec))[tmp_path / "index.html"])
    assert data["status"] == "p" + "x" * sum(item.count for item in left_out)
    assert data["tables"]["why"][data["why"][1]] == left_out[0].reason


def test_a_new_rendering_removes_signatures_that_are_gone(tmp_path: Path) -> None:
    folder = factory.bad_run(tmp_path)
    factory.render(folder)
    assert len(list((folder / "signatures").iterdir())) == 2
    for path in folder.rglob("result.json"):
        document = json.loads(path.read_bytes())
        for trial in document["trials"]:
            trial["crash"] = None
        path.write_text(json.dumps(document), encoding="utf-8")
    factory.render(folder)
    assert list((folder / "signatures").iterdir()) == []


def test_signatures_that_read_alike_have_pages_of_their_own() -> None:
    names = ["a|b", "a.b", "../../a/b", "x" * 5000, "x" * 5001, "", "☃"]
    slugs = {signature_slug(name) for name in names}
    assert len(slugs) == len(names)
    assert all(re.fullmatch(r"[a-z0-9-]{5,60}", slug) for slug in slugs)


def test_an_expected_address_and_a_claim_to_survive_stand_beside_what_was_seen(tmp_path: Path) -> None:
    folder = factory.write_run(tmp_path)
    plan = Plan.model_validate_json((folder / "plan.json").read_bytes())
    crash, survive = factory.cell(), factory.cell(1, "plain")
    asked = {
        crash.id: factory.CRASHES.model_copy(update={"fault_address": AddressRange.parse("< 0x2000")}),
        survive.id: factory.SURVIVES.model_copy(update={"survive": Survival(rate=0.01)}),
    }
    cells = PlannedCells.of(
        item.model_copy(update={"expectation": asked.get(item.cell.id, item.expectation)})
        for item in plan.cells
    )
    (folder / "plan.json").write_text(plan.model_copy(update={"cells": cells}).model_dump_json())
    pages = render(folder)

    def row(cell_id: str, name: str) -> str:
        terms = cell_page(pages, cell_id).xpath(f"//section[@aria-labelledby='expected']//dt[.='{name}']")
        return " ".join(words(term.getnext()) for term in terms)

    assert row(crash.id, "address") == "< 0x2000"
    assert row(survive.id, "rate") == "other ends in fewer than 1 % of the trials, with 95 % confidence"
    assert row(crash.id, "rate") == row(survive.id, "address") == ""


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_links_escape_what_urllib_escapes(text: str) -> None:
    assert link("index.html", "cell.html", text) == f"cell.html#{quote(text, safe='/=')}".rstrip("#")
    assert link("index.html", text.replace("/", "")) == quote(text.replace("/", ""))


@pytest.mark.parametrize(
    ("obstacle", "title"),
    [(Obstacle.ENGINE, "The container engine failed"), (Obstacle.HOST, "This host failed")],
)
def test_a_cell_without_a_trial_says_what_failed_and_how_to_check_it(
    tmp_path: Path, obstacle: Obstacle, title: str
) -> None:
    one, two = factory.cell(0), factory.cell(1)
    said = judged(Verdict.ERROR, f"gone {HOSTILE}", trials=(), unobserved=Unobserved(obstacle=obstacle))
    factory.write_run(tmp_path, factory.RunSpec(changes={one.id: said, two.id: said}))
    page = cell_page(render(tmp_path), one.id)
    (section,) = page.xpath("//section[@aria-labelledby='trouble']")
    told = words(section)
    assert told.startswith(title)
    assert "gone <script>" in told
    assert "nor in 1 cell with the same cause" in told
    assert section.xpath(".//code")[0].text == command("doctor")
    assert one.id in told
    assert not page.xpath("//section[@id='fault' or @aria-labelledby='fault']")


def test_a_rule_is_a_link_where_the_project_s_files_are_shown(tmp_path: Path) -> None:
    failing = {factory.cell(0).id: judged(Verdict.FAIL, "saw exit 0; expected SIGSEGV")}
    folder = factory.write_run(tmp_path, factory.RunSpec(changes=failing))
    place = "scenarios/tls-atexit/scenario.yaml"
    assert not [page for page in render(folder).values() if page.xpath(f"//a[contains(@href, '{place}')]")]
    plan = Plan.model_validate_json((folder / "plan.json").read_text())
    identity = RunIdentity(host="h", kernel="k", version="1", files="https://g.example/o/r/blob/abc/")
    (folder / "plan.json").write_text(plan.model_copy(update={"identity": identity}).model_dump_json())
    pages = render(folder)
    for page in (pages[folder / "index.html"], cell_page(pages, factory.cell(0).id)):
        (link,) = page.xpath(f"//a[starts-with(@href, '{identity.files}{place}')]")
        assert link.get("href").replace("#L", ":") == f"{identity.files}{words(link)}"


def test_a_note_that_explains_several_rules_is_told_once(tmp_path: Path) -> None:
    failing = {
        factory.cell(pair).id: judged(Verdict.FAIL, "saw SIGSEGV; expected exit 0") for pair in range(3)
    }
    write_reports(factory.write_run(tmp_path, factory.RunSpec(changes=failing)))
    page = html.document_fromstring((tmp_path / "index.html").read_bytes())
    notes = [words(note) for note in page.xpath("//*[@class='explanation']/p[@class='soft']")]
    sentences = [said for note in notes for said in note.split(". ")]
    assert sentences
    assert len(sentences) == len(set(sentences))
