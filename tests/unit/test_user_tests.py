"""The log of the user's tests: a real one of six tests with two crashes, and what a hostile one may hold."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.execute.supervisor_report import OtherExit, ProcessExit
from orchestrator.execute.user_tests import KEPT, parse_tests
from orchestrator.matrix.expectations import DEFAULT
from orchestrator.model import (
    CaseOutcome,
    CoreFile,
    CoreState,
    Outcome,
    OutcomeKind,
    Trial,
    UserTests,
    Verdict,
)
from orchestrator.verdict.default import judge_default, what_happened
from orchestrator.verdict.user_tests import unended, words_of_tests

SIX = (Path(__file__).parents[1] / "data" / "pytest" / "six.jsonl").read_bytes()
"""Written in a container by pytest 9.1 under CPython 3.11.2: tests 2 and 4 crash, test 5 fails."""
CRASHED = ProcessExit(
    pid=7, kind=OutcomeKind.SIGNAL, signal="SIGSEGV", core_dumped=True, seconds=1.0,
    doing="tests/test_six.py::test_2",
    others=(
        OtherExit(pid=8, role="pytest", kind=OutcomeKind.SIGNAL, signal="SIGABRT", core_dumped=True,
                  doing="tests/test_six.py::test_4"),
        OtherExit(pid=9, role="pytest", kind=OutcomeKind.EXIT, status=1),
    ),
)  # fmt: skip
EXITED = ProcessExit(pid=7, kind=OutcomeKind.EXIT, status=1, seconds=1.0)


def log(*events: dict[str, object]) -> bytes:
    return b"".join(json.dumps({"pid": 7, "time": 1.0, **event}).encode() + b"\n" for event in events)


def ran(number: int, outcome: str, **more: object) -> bytes:
    node = f"t.py::test_{number}"
    start = {"event": "start", "node": node, "time": float(number)}
    return log(start, {"event": "end", "node": node, "time": number + 0.5, "outcome": outcome, **more})


def trial(item: ProcessExit, tests: UserTests) -> Trial:
    outcome = Outcome(
        kind=item.kind, status=item.status, signal=item.signal, pid=item.pid, seconds=1.0, started="",
        container="", hostname="", stdout="", stderr="", doing=item.doing, tests=tests,
        others=tuple(other.process for other in item.others),
    )  # fmt: skip
    return Trial(number=1, outcome=outcome, core=CoreFile(state=CoreState.NONE))


def test_the_log_of_six_tests_with_two_crashes() -> None:
    tests = parse_tests(SIX, CRASHED)
    assert tests.counts == {CaseOutcome.PASSED: 3, CaseOutcome.CRASHED: 2, CaseOutcome.FAILED: 1}
    assert [case.node[-6:] for case in tests.cases] == [f"test_{number}" for number in range(1, 7)]
    assert (tests.total, tests.not_run, tests.left_out, tests.problems) == (6, 0, 0, ())
    second, fourth, fifth = (tests.cases[number] for number in (1, 3, 4))
    assert (second.outcome, second.message) == (CaseOutcome.CRASHED, "its process died of SIGSEGV")
    assert fourth.message == "its process died of SIGABRT"
    assert (fifth.outcome, fifth.message) == (CaseOutcome.FAILED, "AssertionError: no")
    assert "assert 1 == 2" in (fifth.detail or "")
    assert tests.crashed_in(8) == fourth
    assert tests.crashed_in(9) is None


def test_the_test_that_ran_at_a_moment_is_known_where_it_is_the_only_one() -> None:
    tests = parse_tests(ran(1, "passed") + ran(2, "passed"), EXITED)
    at = tests.running_at(2.25)
    assert at is not None
    assert at.node.endswith("test_2")
    assert tests.running_at(1.75) is None
    assert (
        parse_tests(ran(1, "passed") + ran(1, "passed").replace(b"_1", b"_9"), EXITED).running_at(1.2) is None
    )


def test_a_test_that_crashed_does_not_run_on_when_a_later_ones_child_crashes() -> None:
    """The moment is that of the child's core in the same container's journal."""
    at = parse_tests(SIX, CRASHED).running_at(1796026672.331471)
    assert at is not None
    assert at.node == "tests/test_six.py::test_6"


def test_a_test_that_ends_its_process_by_exit_0_is_no_clean_end() -> None:
    exited = EXITED.model_copy(update={"status": 0})
    cut, passed = log({"event": "start", "node": "t.py::test_1"}), ran(1, "passed")
    clean = DEFAULT.of(0)
    assert judge_default(clean, trial(exited, parse_tests(cut, exited)), "").verdict is Verdict.FAIL
    assert judge_default(clean, trial(exited, parse_tests(passed, exited)), "").verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("item", "content", "words"),
    [
        (CRASHED, SIX, "SIGSEGV while tests/test_six.py::test_2 ran; 1 of 6 tests failed: "
         "tests/test_six.py::test_5: AssertionError: no; "
         "tests/test_six.py::test_4: its process died of SIGABRT"),
        (EXITED, ran(1, "passed") + b"".join(ran(number, "failed") for number in range(2, 7)),
         "5 of 6 tests failed: t.py::test_2, t.py::test_3, t.py::test_4 and 2 more"),
        (EXITED, ran(1, "error", message="RuntimeError: no database"),
         "1 of 1 tests failed: t.py::test_1: RuntimeError: no database"),
        (EXITED.model_copy(update={"status": 5}), b"", "pytest collected no tests"),
        (EXITED.model_copy(update={"status": 3}),
         log({"event": "internal error", "message": "KeyError: 'x'"}),
         "internal error of pytest: KeyError: 'x'"),
        (EXITED.model_copy(update={"status": 2}), b"", "pytest was interrupted"),
        (EXITED.model_copy(update={"status": 2}),
         log({"event": "collected", "node": "t/test_a.py", "message": "ModuleNotFoundError: No module 'a'"}),
         "t/test_a.py cannot be collected: ModuleNotFoundError: No module 'a'"),
        (EXITED.model_copy(update={"status": 0, "doing": "t.py::test_1"}),
         log({"event": "start", "node": "t.py::test_1"}),
         "t.py::test_1: it ended its process with exit status 0"),
    ],
    ids=["crash", "failed", "error", "none", "internal", "interrupted", "collection", "exit"],
)  # fmt: skip
def test_what_happened_is_said_by_the_tests(item: ProcessExit, content: bytes, words: str) -> None:
    assert what_happened(trial(item, parse_tests(content, item))) == words


def test_a_worker_that_died_is_told_by_xdists_own_words() -> None:
    node = "t.py::test_1"
    events = log(
        {"event": "start", "node": node, "pid": 12, "worker": "gw0"},
        {"event": "lost", "node": node, "of": "gw0", "message": "worker 'gw0' crashed while running 'x'"},
    )
    tests = parse_tests(events, EXITED)
    assert tests.counts == {CaseOutcome.CRASHED: 1}
    crashed = tests.crashed_in(12)
    assert crashed is not None
    assert crashed.worker == "gw0"
    assert unended(trial(EXITED, tests).outcome)


def test_a_test_cut_off_by_its_masters_end_is_unknown_until_it_runs_again() -> None:
    node = "t.py::test_1"
    cut = log({"event": "start", "node": node, "pid": 12})
    assert parse_tests(cut, EXITED).counts == {CaseOutcome.UNKNOWN: 1}
    assert parse_tests(cut + ran(1, "passed"), EXITED).counts == {CaseOutcome.PASSED: 1}


def test_tests_that_had_no_turn_are_counted() -> None:
    assert parse_tests(log({"event": "selected", "count": 9}) + ran(1, "passed"), EXITED).not_run == 8


def test_of_a_large_suite_those_that_failed_are_kept() -> None:
    content = b"".join(ran(number, "failed" if number == 1400 else "passed") for number in range(1500))
    tests = parse_tests(content, EXITED)
    assert (tests.total, len(tests.cases), tests.left_out) == (1500, KEPT, 500)
    assert [case.node for case in tests.cases if case.outcome.is_bad] == ["t.py::test_1400"]


def test_text_that_no_report_can_hold_is_replaced() -> None:
    content = ran(1, "failed", message="\udc80").replace(b"t.py", b"\xff.py")
    (case,) = parse_tests(content, EXITED).cases
    assert (case.node, case.message) == ("\N{REPLACEMENT CHARACTER}.py::test_1", "?")


@given(st.lists(st.one_of(st.binary(max_size=60), st.sampled_from(SIX.splitlines()))))
def test_no_log_ends_the_program(lines: list[bytes]) -> None:
    tests = parse_tests(b"\n".join(lines), CRASHED)
    assert tests.total == len(tests.cases)
    words_of_tests(trial(CRASHED, tests))


@pytest.mark.parametrize(
    "line",
    [b"[" * 100_000, b'{"event": "start", "pid": 1e400}', b'{"event": "end", "seconds": NaN}'],
)
def test_a_hostile_line_is_left_out(line: bytes) -> None:
    assert parse_tests(line + b"\n" + SIX, CRASHED) == parse_tests(SIX, CRASHED)
