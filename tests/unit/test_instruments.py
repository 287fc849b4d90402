from pathlib import Path

import pytest

from orchestrator.execute import TrialCommand
from orchestrator.instruments.asan import parse_asan
from orchestrator.instruments.strace import parse_strace
from orchestrator.instruments.valgrind import parse_valgrind
from orchestrator.model import (
    CoreFile,
    CoreState,
    Evidence,
    Expectation,
    InstrumentFinding,
    OutcomeKind,
    Trial,
    Verdict,
    WantedFinding,
)
from orchestrator.supervisor.targets import DRIVER, PROGRAM, Target
from orchestrator.verdict import Observation, Tally
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

DRIVER_PY = Target(DRIVER, "driver.py")
DATA = Path(__file__).parents[1] / "data" / "instruments"
# As written by valgrind 3.19 in a locked-down container, of CPython 3.11.2 that reads 4 bytes of a block
# after free().
VALGRIND = (DATA / "valgrind-freed.xml").read_text()


def test_failed_calls_are_counted_by_their_error() -> None:
    seen, _ = parse_strace(STRACE)
    assert [(item.kind, item.count) for item in seen] == [("execve EFAULT", 2), ("execve ENOENT", 1)]
    assert "echo helloworld" in seen[0].first


def test_what_a_program_prints_into_the_trace_is_no_failed_call() -> None:
    assert parse_strace('9     execve("/bin/x", ["\\n10 execve() = -1 EFAULT (x)"], 0x1) = 0\n') == ((), None)


@pytest.mark.parametrize(
    ("wanted", "verdict"),
    [
        (WantedFinding(kind="execve EFAULT"), Verdict.PASS),
        (WantedFinding(kind="execve EFAULT", at_least=3), Verdict.FAIL),
        (WantedFinding(kind="execve EFAULT", at_least=0, at_most=1), Verdict.FAIL),
        (WantedFinding(kind="execve EACCES", at_least=0, at_most=0), Verdict.PASS),
        (WantedFinding(kind="execve EACCES"), Verdict.FAIL),
    ],
)
def test_an_expectation_is_held_against_the_evidence(wanted: WantedFinding, verdict: Verdict) -> None:
    evidence = Evidence(
        instrument="strace",
        findings=(InstrumentFinding(kind="execve EFAULT", count=2, first=""),),
        path="strace.txt",
    )
    expectation = Expectation(kind=OutcomeKind.EXIT, evidence=wanted, because="it must")
    nothing = Evidence(instrument="strace", note="strace wrote nothing")
    for found, then in ((evidence, verdict), (nothing, Verdict.FAIL), (None, Verdict.FAIL)):
        seen = outcome(cell(), status=0).model_copy(update={"evidence": found})
        tally = Tally(expectation)
        tally.add(
            Observation(trial=Trial(number=1, outcome=seen, core=CoreFile(state=CoreState.NONE)), text="")
        )
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


# As written by gcc 14's AddressSanitizer in a locked-down container, of a program that embeds CPython 3.13.5
# and reads a thread state that finalization has freed (scenarios/freed-state).
ASAN = (DATA / "asan-freed.txt").read_text()
# By gcc 12's, with fewer frames and shorter addresses.
BAD_FREE = """\
=================================================================
==2==ERROR: AddressSanitizer: attempting free on address which was not malloc()-ed: 0x7fff8988 in thread T0
    #0 0x562c35c8bec8 in __interceptor_free.part.0 (/tmp/t+0x9bec8)
    #1 0x562c35cd4ee7 in main /tmp/t.cpp:4

Address 0x7fff8988 is located in stack of thread T0 at offset 40 in frame
    #0 0x562c35cd4e5a in main /tmp/t.cpp:4

SUMMARY: AddressSanitizer: bad-free (/tmp/t+0x9bec8) in __interceptor_free.part.0
==2==ABORTING
"""
SEGV = """\
AddressSanitizer:DEADLYSIGNAL
=================================================================
==3==ERROR: AddressSanitizer: SEGV on unknown address 0x000000000008 (pc 0x55f1 bp 0x7ff sp 0x7ff T0)
==3==The signal is caused by a WRITE memory access.
==3==Hint: address points to the zero page.
    #0 0x55f18eb69f55 in operator new[](unsigned long) (/tmp/t+0x9de48)
    #1 0x7f105da45249 in __libc_start_call_main ../sysdeps/nptl/libc_start_call_main.h:58

AddressSanitizer can not provide additional info.
SUMMARY: AddressSanitizer: SEGV /tmp/t.cpp:4 in main
==3==ABORTING
"""


def test_a_use_after_free_has_the_stacks_of_both_threads() -> None:
    (seen,), note = parse_asan(ASAN)
    assert (seen.kind, seen.count, note) == ("heap-use-after-free", 1, None)
    assert [(stack.role, stack.frames[0].function) for stack in seen.stacks] == [
        ("seen", "look_at_state"), ("freed", "free.part.0"), ("allocated", "calloc"),
        ("other", "pthread_create"),
    ]  # fmt: skip
    assert seen.first == (
        "heap-use-after-free on address 0x51300001ff50; READ of size 8 at 0x51300001ff50 thread T1; "
        "0x51300001ff50 is located 16 bytes inside of 336-byte region [0x51300001ff40,0x513000020090)"
    )
    assert seen.stacks[1].title == "freed by thread T0 here:"
    inner, outer = seen.stacks[0].frames[0], seen.stacks[0].frames[2]
    assert (inner.file, inner.line, inner.module) == ("c/freedstate.c", 18, None)
    assert (outer.function, outer.module) == (
        "asan_thread_start(void*)", "/opt/crashmatrix/scenario/freedstate",
    )  # fmt: skip


def test_an_error_has_asans_own_short_name() -> None:
    (seen,), note = parse_asan(BAD_FREE)
    assert (seen.kind, note) == ("bad-free", None)
    assert seen.first == "attempting free on address which was not malloc()-ed: 0x7fff8988 in thread T0"
    assert [frame.function for frame in seen.stacks[0].frames] == ["free.part.0", "main"]
    assert [stack.role for stack in seen.stacks] == ["seen", "other"]


def test_a_signal_is_told_with_its_address() -> None:
    (seen,), _ = parse_asan(SEGV)
    assert seen.kind == "SEGV"
    assert seen.first == (
        "SEGV on unknown address 0x000000000008; The signal is caused by a WRITE memory access."
    )
    assert seen.stacks[0].frames[0].function == "operator new[](unsigned long)"


def test_the_numbers_of_a_program_in_which_nothing_was_seen_are_no_error() -> None:
    assert parse_asan("AddressSanitizer exit stats:\nStats: 0M malloced (0M for red zones)\n") == ((), None)


@pytest.mark.parametrize("end", [120, 900, ASAN.index("SUMMARY")])
def test_a_report_of_asan_that_breaks_off_is_said_to(end: int) -> None:
    (seen,), note = parse_asan(ASAN[:end])
    assert seen.kind == "heap-use-after-free"
    assert note == "AddressSanitizer's report is not whole"


def test_an_asan_that_gives_up_has_seen_nothing() -> None:
    gave_up = "==9==Shadow memory range interleaves with an existing memory mapping. ABORTING.\n"
    seen, note = parse_asan(gave_up)
    assert seen == ()
    assert note == f"AddressSanitizer itself failed: {gave_up.strip()}"


def test_errors_and_frames_of_asan_are_bounded() -> None:
    frames = "".join(f"    #{number} 0x1 in f{number} f.c:1\n" for number in range(40))
    said = "AddressSanitizer: double-free"
    report = f"==9==ERROR: {said} on 0x1\n{frames}\nSUMMARY: {said} f.c:1 in f\n"
    seen, note = parse_asan(report * 30)
    assert len(seen) == 20
    assert note == "only the first 20 of 30 errors were read"
    assert (len(seen[0].stacks[0].frames), seen[0].stacks[0].left_out) == (32, 8)


def wanted_of(**functions: tuple[str, ...]) -> WantedFinding:
    return WantedFinding(kind="InvalidRead in a freed block").model_copy(update=functions)


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
def test_functions_are_looked_for_in_the_stack_of_their_role(wanted: WantedFinding, verdict: Verdict) -> None:
    findings = parse_valgrind(VALGRIND)[0]
    evidence = Evidence(instrument="valgrind", findings=findings, path="valgrind.xml")
    expectation = Expectation(kind=OutcomeKind.EXIT, evidence=wanted, because="it must")
    seen = outcome(cell(), status=0).model_copy(update={"evidence": evidence})
    tally = Tally(expectation)
    tally.add(Observation(trial=Trial(number=1, outcome=seen, core=CoreFile(state=CoreState.NONE)), text=""))
    assert tally.judgement.verdict is verdict, tally.judgement.reason
    assert verdict is Verdict.PASS or "seen 0" in tally.judgement.reason


def test_a_cell_under_valgrind_gets_more_time_and_the_allocator_that_it_can_watch() -> None:
    watched = cell(instrument="valgrind")
    command = TrialCommand(cell=watched, target=DRIVER_PY, timeout=300)
    assert command.environment()["PYTHONMALLOC"] == "malloc"
    assert any(word.startswith("--wrap=valgrind -q ") for word in command.single())
    assert "PYTHONMALLOC=malloc" in command.by_hand("tag")
    assert "PYTHONMALLOC" not in TrialCommand(cell=cell(), target=DRIVER_PY, timeout=30).environment()


def test_a_program_with_asan_in_it_is_told_where_to_write_and_to_leave_a_core() -> None:
    command = TrialCommand(cell=cell(probe="c", instrument="asan"), target=Target(PROGRAM, "p"), timeout=90)
    options = dict(item.split("=") for item in command.environment()["ASAN_OPTIONS"].split(":"))
    assert (options["log_path"], options["abort_on_error"]) == ("/work/asan", "1")
    assert not any(word.startswith("--wrap") for word in command.single())
    by_hand = command.by_hand("tag")
    assert "ASAN_OPTIONS=abort_on_error=1" in by_hand
    assert "log_path" not in by_hand
