"""A crash's page with all that a core can tell: address, instructions, environment, stale array."""

from pathlib import Path

from lxml import html

from orchestrator.model import (
    Environment,
    Instruction,
    PythonFrame,
    Rate,
    Sender,
    Variable,
    Verdict,
    Wait,
    WalkedArray,
)
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
    stack = page.xpath("//table[@class='stack']")[0]
    functions = stack.xpath(".//span[@class='fn']/text()")
    assert functions.index("shut_down") + 1 == functions.index("atexit_callfuncs")
    assert "40 other threads, 1 different stack" in said
    assert "20 of at most 3, 17 of them alike and not kept" in said
    assert "3 of 20 trials crashed: 15 %" in said
    assert len(page.xpath("//*[local-name()='svg'][@class='plot']/*[local-name()='rect']")) == 3


def test_where_the_threads_of_a_hang_are_is_on_the_page(tmp_path: Path) -> None:
    cell, crash = factory.cell(), factory.crash()
    waits = Wait(text="waits in futex for the GIL, held by thread 9, called by <take_gil>", thread=9)
    threads = (crash.threads[0].model_copy(update={"waits": waits}), crash.threads[1])
    hung = crash.model_copy(update={"hang": True, "threads": threads})
    trial = factory.crashed_trial(cell).model_copy(update={"crash": hung})
    change = factory.judged(Verdict.FAIL, "it hung", trials=(trial,))
    factory.render(factory.write_run(tmp_path, factory.RunSpec(cells=(cell,), changes={cell.id: change})))
    page = html.document_fromstring((tmp_path / f"cells/{cell.id}/index.html").read_bytes())
    said = [item.text_content() for item in page.xpath("//li[starts-with(., 'thread ')]")]
    assert said == [f"thread 7 {waits.text}", "thread 9 runs"]
    assert "the one that took the signal" in page.text_content()
    assert f"thread 7 {waits.text}" in (tmp_path / "junit.xml").read_text().replace("&lt;", "<").replace(
        "&gt;", ">"
    )
