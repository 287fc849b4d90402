"""What an instrument saw, on a cell's page and in JUnit."""

from pathlib import Path

from lxml import html

from orchestrator.instruments.valgrind import parse_valgrind
from orchestrator.model import Evidence, InstrumentFinding, Verdict, WantedFinding
from tests.unit import run_factory as factory

VALGRIND = (Path(__file__).parents[1] / "data" / "instruments" / "valgrind-freed.xml").read_text()


def write(folder: Path, evidence: Evidence) -> tuple[str, str]:
    """The text of a watched cell's page, and the run's junit.xml."""
    cell = factory.cell(launcher="plain", instrument="valgrind")
    trial = factory.crashed_trial(cell)
    trial = trial.model_copy(update={"outcome": trial.outcome.model_copy(update={"evidence": evidence})})
    wanted = WantedFinding(kind="InvalidRead in a freed block", freed=("free", "ffi_call"))
    expectation = factory.SURVIVES.model_copy(update={"evidence": wanted})
    change = factory.judged(Verdict.PASS, "as expected", trials=(trial,), expectation=expectation)
    factory.render(factory.write_run(folder, factory.RunSpec(cells=(cell,), changes={cell.id: change})))
    page = html.document_fromstring((folder / f"cells/{cell.id}/index.html").read_bytes())
    assert not page.xpath("//script[contains(., 'owned')]")
    return " ".join(page.text_content().split()), (folder / "junit.xml").read_text()


def test_stacks_are_on_the_page_and_in_junit(tmp_path: Path) -> None:
    findings, _ = parse_valgrind(VALGRIND)
    page, junit = write(tmp_path, Evidence(instrument="valgrind", findings=findings))
    assert "Evidence by valgrind, of trial 1" in page
    assert "InvalidRead in a freed block 2 times" in page
    assert "is 0 bytes inside a block of size 16 free'd" in page
    assert "Block was alloc'd at" in page
    assert "PyBytes_FromStringAndSize" in page
    assert "valgrind: InvalidRead in a freed block, 2 times" in junit
    assert "  freed: free &lt; " in junit


def test_what_a_program_forged_is_shown_and_not_obeyed(tmp_path: Path) -> None:
    forged = InstrumentFinding(kind="<script>owned</script>", count=1, first="\x1b[31m</p>\x00")
    page, junit = write(tmp_path, Evidence(instrument="strace", findings=(forged,)))
    assert "<script>owned</script> 1 time" in page
    assert "\x00" not in junit
    assert "\x1b" not in junit


def test_an_instrument_that_saw_nothing_says_so(tmp_path: Path) -> None:
    page, _ = write(tmp_path, Evidence(instrument="valgrind"))
    assert "It reported nothing." in page
    page, junit = write(tmp_path, Evidence(instrument="strace", note="strace wrote nothing"))
    assert "strace wrote nothing" in page
    assert "strace: strace wrote nothing" in junit
