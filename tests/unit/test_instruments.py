import pytest

from orchestrator.execute.instruments import parse_strace
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
