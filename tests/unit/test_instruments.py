from pathlib import Path

import pytest

from orchestrator.execute import Question
from orchestrator.execute.instruments import parse_strace
from orchestrator.execute.valgrind import parse_valgrind
from orchestrator.model import (
    CoreFile,
    CoreState,
    Evidence,
    Expectation,
    Instrument,
    OutcomeKind,
    Sighting,
    Trial,
    Verdict,
    WantedSighting,
)
from orchestrator.verdict import Seen, Tally
from tests.unit.run_factory import cell, outcome

# As written by strace 6.1 -D -f -qq -s 200 -e trace=execve,execveat in a locked-down container on glibc 2.36.
STRACE = """\
8     execve("/usr/bin/python3", ["python3", "/opt/crashmatrix/scenario/driver.py"], 0x7ffd /* 20 vars */) = 0
10    execve("/bin/sh", ["sh", "-c", "echo helloworld"], 0x55d0 /* 4 vars */) = -1 EFAULT (Bad address)
11    execve("/bin/sh", ["sh", "-c", "--", "exit = -1 ENOENT"], 0x55d0 /* 4 vars */ <unfinished ...>
12    execve("/bin/sh", ["sh", "-c", "--", "true"], 0x55d0 /* 4 vars */) = 0
11    <... execve resumed>)             = -1 EFAULT (Bad address)
13    execve("/nonexist", ["x"], 0x17cdcd40 /* 8 vars */) = -1 ENOENT (No such file or directory)
"""

DATA = Path(__file__).parents[1] / "data" / "instruments"
# As written by valgrind 3.19 in a locked-down container, of CPython 3.11.2 that reads 4 bytes of a block
# after free().
VALGRIND = (DATA / "valgrind-freed.xml").read_text()


def test_failed_calls_are_counted_by_their_error() -> None:
    seen = parse_strace(STRACE)
    assert [(item.kind, item.count) for item in seen] == [("execve EFAULT", 2), ("execve ENOENT", 1)]
    assert "echo helloworld" in seen[0].first


def test_what_a_program_prints_into_the_trace_is_no_failed_call() -> None:
    assert parse_strace('9     execve("/bin/x", ["\\n10 execve() = -1 EFAULT (x)"], 0x1) = 0\n') == ()


@pytest.mark.parametrize(
    ("wanted", "verdict"),
    [
        (WantedSighting(kind="execve EFAULT"), Verdict.PASS),
        (WantedSighting(kind="execve EFAULT", at_least=3), Verdict.FAIL),
        (WantedSighting(kind="execve EFAULT", at_least=0, at_most=1), Verdict.FAIL),
        (WantedSighting(kind="execve EACCES", at_least=0, at_most=0), Verdict.PASS),
        (WantedSighting(kind="execve EACCES"), Verdict.FAIL),
    ],
)
def test_an_expectation_is_held_against_the_evidence(wanted: WantedSighting, verdict: Verdict) -> None:
    evidence = Evidence(
        instrument=Instrument.STRACE, sightings=(Sighting(kind="execve EFAULT", count=2, first=""),)
    )
    expectation = Expectation(kind=OutcomeKind.EXIT, evidence=wanted, because="it must")
    for found, then in ((evidence, verdict), (None, Verdict.FAIL)):
        seen = outcome(cell(), status=0).model_copy(update={"evidence": found})
        tally = Tally(expectation)
        tally.add(Seen(trial=Trial(number=1, outcome=seen, core=CoreFile(state=CoreState.NONE)), text=""))
        assert tally.judgement.verdict is then


def test_a_read_in_a_freed_block_has_all_three_stacks() -> None:
    (seen,), note = parse_valgrind(VALGRIND)
    assert (seen.kind, seen.count, note) == ("InvalidRead in a freed block", 2, None)
    assert [(stack.role, stack.frames[0].function) for stack in seen.stacks] == [
        ("seen", "memmove"), ("freed", "free"), ("allocated", "malloc"),
    ]  # fmt: skip
    assert "inside a block of size 16 free'd" in seen.first
    inner = seen.stacks[0].frames[2]
    assert (inner.function, inner.file, inner.line) == ("PyBytes_FromStringAndSize", "bytesobject.c", 142)
    assert inner.module == "/usr/bin/python3.11"


def test_an_address_that_was_nobodys_is_in_no_freed_block() -> None:
    text = VALGRIND.replace(
        "0 bytes inside a block of size 16 free'd", "not stack'd, malloc'd or (recently) free'd"
    )
    assert [item.kind for item in parse_valgrind(text)[0]] == ["InvalidRead"]


def test_the_signal_that_ended_the_process_is_evidence() -> None:
    fatal = (
        "<fatal_signal><tid>1</tid><signo>11</signo><signame>SIGSEGV</signame><sicode>1</sicode>"
        "<event>Access not within mapped region</event><siaddr>0x8</siaddr>"
        "<stack><frame><ip>0x1</ip><fn>strlen</fn></frame></stack></fatal_signal></valgrindoutput>"
    )
    seen = parse_valgrind(VALGRIND.replace("</valgrindoutput>", fatal))[0][-1]
    assert seen.kind == "fatal SIGSEGV"
    assert seen.first == "the process ended by SIGSEGV: Access not within mapped region at 0x8"
    assert seen.stacks[0].frames[0].function == "strlen"


@pytest.mark.parametrize("end", [1500, 10000, len(VALGRIND) - 30])
def test_a_report_that_breaks_off_is_said_to(end: int) -> None:
    _, note = parse_valgrind(VALGRIND[:end])
    assert note is not None
    assert "not whole" in note


def test_a_declaration_is_refused_before_it_is_parsed() -> None:
    bomb = VALGRIND.replace("<valgrindoutput>", '<!DOCTYPE x [<!ENTITY a "aaaa">]><valgrindoutput>')
    seen, note = parse_valgrind(bomb)
    assert seen == ()
    assert "declaration" in (note or "")


def test_errors_beyond_those_kept_are_counted_by_kind() -> None:
    start, end = VALGRIND.index("<error>"), VALGRIND.index("</error>") + len("</error>")
    error = VALGRIND[start:end]
    errors = "".join(error.replace("0x0</unique>", f"{number:#x}</unique>") for number in range(50))
    seen, _ = parse_valgrind(VALGRIND[:start] + errors + VALGRIND[end:])
    assert sum(item.count for item in seen) == 51  # the first came twice
    assert len(seen) == 21
    assert seen[-1].stacks == ()


def test_elements_are_bounded() -> None:
    seen, note = parse_valgrind("<valgrindoutput>" + "<a/>" * 200_001 + VALGRIND)
    assert seen == ()
    assert "only the first 200,000" in (note or "")


def wanted_of(**functions: tuple[str, ...]) -> WantedSighting:
    return WantedSighting(kind="InvalidRead in a freed block").model_copy(update=functions)


@pytest.mark.parametrize(
    ("wanted", "verdict"),
    [
        (wanted_of(freed=("free", "ffi_call")), Verdict.PASS),
        (wanted_of(freed=("ffi_call", "free")), Verdict.FAIL),
        (wanted_of(allocated=("malloc",)), Verdict.PASS),
        (wanted_of(allocated=("free",)), Verdict.FAIL),
        (wanted_of(frames=("PyBytes_FromStringAndSize",)), Verdict.PASS),
        (wanted_of(frames=("take_gil",)), Verdict.FAIL),
    ],
)  # fmt: skip
def test_functions_are_looked_for_in_the_stack_of_their_role(
    wanted: WantedSighting, verdict: Verdict
) -> None:
    evidence = Evidence(instrument=Instrument.VALGRIND, sightings=parse_valgrind(VALGRIND)[0])
    expectation = Expectation(kind=OutcomeKind.EXIT, evidence=wanted, because="it must")
    seen = outcome(cell(), status=0).model_copy(update={"evidence": evidence})
    tally = Tally(expectation)
    tally.add(Seen(trial=Trial(number=1, outcome=seen, core=CoreFile(state=CoreState.NONE)), text=""))
    assert tally.judgement.verdict is verdict, tally.judgement.reason
    assert verdict is Verdict.PASS or "seen 0" in tally.judgement.reason


def test_a_cell_under_valgrind_gets_more_time_and_the_allocator_that_it_can_watch() -> None:
    watched = cell(instrument="valgrind")
    question = Question(cell=watched, driver="driver.py", timeout=300)
    assert question.environment()["PYTHONMALLOC"] == "malloc"
    assert "--instrument" in question.command()
    assert "PYTHONMALLOC=malloc" in question.by_hand("tag")
    assert "PYTHONMALLOC" not in Question(cell=cell(), driver="driver.py", timeout=30).environment()
