"""A crash's page with all that a core can tell: address, instructions, environment, stale array."""

from pathlib import Path

import pytest
from lxml import html
from markdown_it import MarkdownIt

from orchestrator.model import (
    Environment,
    Excerpt,
    Instruction,
    NativeFrame,
    PythonFrame,
    Rate,
    Sender,
    Variable,
    Verdict,
    WalkedArray,
)
from orchestrator.model.crash import OF_HOST
from orchestrator.report.issue import issue_of
from tests.unit import run_factory as factory


def told(folder: Path) -> html.HtmlElement:
    """The page of a cell whose core told everything."""
    cell = factory.cell()
    trial = factory.crashed_trial(cell)
    crash = factory.crash()
    thread = crash.threads[0]
    stale = WalkedArray(
        address="0x248b5000",
        found="x20 in getenv pointed into it",
        kept=14,
        overwritten=1,
        added=(Variable(name="SSL_CERT_FILE", value="/etc/ssl/cert.pem"), Variable(name="SECRET_TOKEN")),
    )
    site = crash.crash.model_copy(
        update={
            "disassembly": (
                Instruction(address="0x1000", text="mov rax, qword ptr [rdi]"),
                Instruction(
                    address="0x1003",
                    text="mov rdx, qword ptr [rax + 0x60]",
                    operands="rax = 0x0",
                    current=True,
                ),
            )
        }
    )
    crash = crash.model_copy(
        update={
            "crash": site,
            "signal": crash.signal.model_copy(
                update={
                    "meaning": "near NULL: 0x60 bytes from a NULL pointer",
                    "sender": Sender(pid=1, uid=0),
                }
            ),
            "threads": (
                thread.model_copy(
                    update={"python": (PythonFrame(function="shut_down", file="app.py", line=7, native=6),)}
                ),
                *(crash.threads[1].model_copy(update={"tid": tid}) for tid in range(100, 140)),
            ),
            "environment": Environment(
                source="libc.so.6",
                environ="0x28655750",
                variables=(Variable(name="PATH", value="/usr/bin"),),
                walked=stale,
            ),
        }
    )
    change = factory.judged(
        Verdict.PASS,
        "as expected",
        trials=(trial.model_copy(update={"crash": crash}),) * 3,
        not_kept=17,
        rate=Rate.of("crashed", 3, 20),
    )
    factory.render(factory.write_run(folder, factory.RunSpec(cells=(cell,), changes={cell.id: change})))
    return html.document_fromstring((folder / f"cells/{cell.id}/index.html").read_bytes())


def test_every_fact_of_a_core_is_on_the_page(tmp_path: Path) -> None:
    page = told(tmp_path)
    said = " ".join(page.text_content().split())
    assert "near NULL: 0x60 bytes from a NULL pointer" in said
    assert "pid 1, uid 0" in said
    (pc,) = page.xpath("//table[contains(@class, 'code')]//tr[@class='pc']")
    assert " ".join(pc.text_content().split()) == "0x1003mov rdx, qword ptr [rax + 0x60]◀ pcrax = 0x0"
    assert "walking another array, at 0x248b5000 (x20 in getenv pointed into it)" in said
    assert "14 entries in both, 1 slot of it overwritten" in said
    added = [" ".join(row.text_content().split()) for row in page.xpath("//tr[@class='added']")]
    assert added == ["+SSL_CERT_FILE/etc/ssl/cert.pem", "+SECRET_TOKEN(value not shown)"]
    stack = page.xpath("//ol[@class='stack sheet']")[0]
    functions = stack.xpath(".//span[@class='fn']/text()")
    assert functions.index("shut_down") + 1 == functions.index("atexit_callfuncs")
    assert "40 other threads, 1 different stack" in said
    assert "20 of at most 3; 17 ended like these and were not kept" in said
    assert "3 of 20 trials crashed: 15 %" in said
    assert len(page.xpath("//*[local-name()='svg'][@class='plot']/*[local-name()='rect']")) == 3


def hung(folder: Path) -> html.HtmlElement:
    """The page of a cell whose threads wait for each other."""
    cell = factory.cell()
    change = factory.judged(Verdict.FAIL, "it hung", trials=(factory.hung_trial(cell),))
    factory.render(factory.write_run(folder, factory.RunSpec(cells=(cell,), changes={cell.id: change})))
    return html.document_fromstring((folder / f"cells/{cell.id}/index.html").read_bytes())


def test_a_hang_is_told_as_a_hang_who_waits_for_whom_first(tmp_path: Path) -> None:
    page = hung(tmp_path)
    first, *_ = page.xpath("//h2")
    assert first.text_content() == (
        "Deadlock: thread 7 (main) waits for a mutex, held by thread 9; "
        "thread 9 waits for the GIL, held by thread 7."
    )
    first_row, second_row = page.xpath("//section[@aria-labelledby='hang']//tbody/tr")
    assert first_row.text_content().startswith("7 mainholds the GIL")
    assert second_row.text_content().startswith("9holds a mutex")
    said = page.xpath("//main")[0].text_content()
    assert "crashmatrix sent SIGABRT at the end of the time limit" in said
    assert "did not end; crashmatrix ended it with SIGABRT" in said
    for wrong in ("the fault", "at the fault", "Instructions", "Registers", "crashed"):
        assert wrong not in said
    junit = (tmp_path / "junit.xml").read_text().replace("&lt;", "<").replace("&gt;", ">")
    assert "Deadlock: thread 7 (main) waits for a mutex, held by thread 9;" in junit
    assert "thread 7 waits in lock for a mutex, held by thread 9, called by <f>" in junit


def test_an_expected_crash_and_a_clean_exit_have_shapes_of_their_own(tmp_path: Path) -> None:
    crash, clean = factory.cell(), factory.cell(probe="rust")
    factory.render(factory.write_run(tmp_path, factory.RunSpec(cells=(crash, clean))))
    shapes = []
    for cell in (crash, clean):
        page = html.document_fromstring((tmp_path / f"cells/{cell.id}/index.html").read_bytes())
        (mark,) = page.xpath("//section[@aria-labelledby='seen']/p[@class='big']/*[local-name()='svg']")
        shapes.append((mark.get("aria-label"), mark[0].get("href")))
        assert page.xpath("//div[@class='verdict pass']")
    assert shapes == [("crash", "#o-crash"), ("exit", "#o-exit")]


def test_expected_frames_are_ticked_and_a_missing_one_stands_in_its_place(tmp_path: Path) -> None:
    cell = factory.cell()
    trial = factory.crashed_trial(cell)
    lines = Excerpt(file="probe.cpp", line=41, first=40, lines=("{", "++*<session>;", "}"))
    assert trial.crash
    read = trial.crash.model_copy(update={"excerpts": (lines,)})
    wanted = factory.CRASHES.model_copy(
        update={"frames": ("atexit_handler", "nowhere", "uwsgi_plugins_atexit")}
    )
    change = factory.judged(
        Verdict.FAIL, "not on the stack: nowhere", trials=(trial.model_copy(update={"crash": read}),)
    )
    folder = factory.write_run(
        tmp_path, factory.RunSpec(cells=(cell,), changes={cell.id: change}, crashes=wanted)
    )
    factory.render(folder)
    page = html.document_fromstring((folder / f"cells/{cell.id}/index.html").read_bytes())
    rows = [" ".join(row.text_content().split()) for row in page.xpath("//ol[@class='stack sheet']/li")]
    assert rows[0].startswith("4 frames of the signal handler, above the fault")
    assert rows[1].startswith("5 (anonymous namespace)::atexit_handler+0x1c fault ✓ expected under test")
    assert rows[1].endswith("40{ 41++*<session>; 42}")
    assert rows[2] == "✗ nowhere expected here, not on the stack"
    ticked = [
        row.xpath("string(.//span[@class='fn'])") for row in page.xpath("//li[.//span[@class='tag found']]")
    ]
    assert ticked == ["(anonymous namespace)::atexit_handler", "uwsgi_plugins_atexit"]


@pytest.mark.parametrize(
    ("source", "link"),
    [
        ("https://docs.python.org/3.13/c-api/init.html#c.Py_RunMain", True),
        ("https://sourceware.org/git/?p=glibc.git;a=blob;f=stdlib/exit.c;hb=glibc-2.18", True),
        ("javascript:alert(1)", False),
        ("https://a b", False),
        ("https://user@example.org/", False),
        ("https://example.org/\u202e", False),
        ("stories 1", False),
    ],
)
def test_a_source_is_a_link_where_it_is_an_address_of_the_web(
    tmp_path: Path, source: str, link: bool
) -> None:
    cell = factory.cell()
    wanted = factory.CRASHES.model_copy(update={"source": source})
    folder = factory.write_run(tmp_path, factory.RunSpec(cells=(cell,), crashes=wanted))
    factory.render(folder)
    page = html.document_fromstring((folder / f"cells/{cell.id}/index.html").read_bytes())
    assert page.xpath("//section[@aria-labelledby='expected']//a/@href") == ([source] if link else [])


def test_the_markdown_of_a_crash_cannot_be_broken_out_of(tmp_path: Path) -> None:
    cell = factory.cell()
    trial = factory.crashed_trial(cell)
    assert trial.crash
    thread = trial.crash.threads[0]
    evil = NativeFrame(function="f````\n### not a heading", module="/m", exact=True)
    read = trial.crash.model_copy(
        update={
            "message": "``` `x` @user #1 <b>",
            "threads": (thread.model_copy(update={"native": (evil, *thread.native)}),),
        }
    )
    change = factory.judged(Verdict.PASS, "as expected", trials=(trial.model_copy(update={"crash": read}),))
    folder = factory.write_run(tmp_path, factory.RunSpec(cells=(cell,), changes={cell.id: change}))
    record = factory.load(folder).records[0]
    issue = issue_of(record, read)
    whole = issue.before + issue.stack + issue.after
    tokens = MarkdownIt().parse(whole)
    fences = [token for token in tokens if token.type == "fence"]
    assert [token.info for token in fences] == ["text", "sh"]
    assert fences[0].content == issue.stack + "\n"
    assert "py   " in issue.stack
    assert issue.stack.count("<- fault") == 1
    assert [token.tag for token in tokens if token.type == "heading_open"] == ["h3"]
    factory.render(folder)
    page = html.document_fromstring((folder / f"cells/{cell.id}/index.html").read_bytes())
    assert page.get_element_by_id("issue").text_content() == whole
    assert page.get_element_by_id("issue-stack").text_content() == issue.stack
    targets = page.xpath("//button/@data-copy")
    assert {"issue", "issue-stack", "command-repeat"} <= set(targets)
    for target in targets:
        assert page.get_element_by_id(target).text_content()


def test_what_holds_for_every_core_of_a_host_is_no_limit_of_the_evidence(tmp_path: Path) -> None:
    cell = factory.cell()
    trial = factory.crashed_trial(cell)
    assert trial.crash
    host = f"{OF_HOST} its kernel has no Landlock"
    read = trial.crash.model_copy(
        update={"warnings": (host, "thread 7: its stack ends early (no unwind table)")}
    )
    change = factory.judged(Verdict.PASS, "as expected", trials=(trial.model_copy(update={"crash": read}),))
    folder = factory.write_run(tmp_path, factory.RunSpec(cells=(cell,), changes={cell.id: change}))
    factory.render(folder)
    page = html.document_fromstring((folder / f"cells/{cell.id}/index.html").read_bytes())
    (limits,) = page.find_class("caution")
    assert "its stack ends early" in limits.text_content()
    assert "Landlock" not in limits.text_content()
    assert f"{host}." in page.text_content()
