"""Each reason of a verdict, word for word, and each difference beside every other one."""

import pytest

from orchestrator.model import (
    AddressRange,
    Crash,
    Evidence,
    Expectation,
    InstrumentFinding,
    OutcomeKind,
    StackRole,
    Survival,
    Trial,
    Verdict,
    WantedFinding,
    WatchedFrame,
    WatchedStack,
)
from orchestrator.model.result import CoreFile, CoreState
from orchestrator.verdict import Observation
from tests.unit.test_verdict import GONE, QUIET, SEGV, crashed, ended, judge, outcome, tally

CRASH = crashed("atexit_handler", "Py_FinalizeEx")
FREED = InstrumentFinding(
    kind="InvalidRead",
    count=2,
    first="Invalid read of size 8",
    stacks=(
        WatchedStack(role=StackRole.SEEN, title="", frames=(WatchedFrame(function="take_gil"),)),
        WatchedStack(role=StackRole.FREED, title="", frames=(WatchedFrame(function="free"),)),
    ),
)


def with_crash(seen: Observation, **parts: object) -> Observation:
    """The observation with other parts of its crash."""
    assert seen.trial.crash is not None
    crash: Crash = seen.trial.crash.model_copy(update=parts)
    return Observation(trial=seen.trial.model_copy(update={"crash": crash}), text=seen.text)


def with_address(seen: Observation, address: str | None) -> Observation:
    assert seen.trial.crash is not None
    return with_crash(seen, signal=seen.trial.crash.signal.model_copy(update={"fault_address": address}))


def watched(
    *findings: InstrumentFinding, path: str | None = "valgrind.xml", note: str | None = None
) -> Observation:
    evidence = Evidence(instrument="valgrind", findings=findings, path=path, note=note)
    seen = outcome(OutcomeKind.EXIT, status=0).model_copy(update={"evidence": evidence})
    return Observation(trial=Trial(number=1, outcome=seen, core=CoreFile(state=CoreState.NONE)), text="")


def of(kind: OutcomeKind, **parts: object) -> Expectation:
    return Expectation(kind=kind, because="it must").model_copy(update=parts)


NEAR = AddressRange.parse("< 0x2000")
WANTED = WantedFinding(kind="InvalidRead")


@pytest.mark.parametrize(
    ("expectation", "seen", "verdict", "reason"),
    [
        # Every difference is told, and a later part that matches hides no earlier one that does not.
        (
            SEGV.model_copy(update={"signal": "SIGBUS", "fault_address": NEAR}),
            with_address(CRASH, "0x60"),
            Verdict.FAIL,
            "saw SIGSEGV atexit_handler; expected SIGBUS",
        ),
        (
            SEGV.model_copy(update={"signal": "SIGBUS", "fault_address": NEAR}),
            with_address(CRASH, "0x2000"),
            Verdict.FAIL,
            "saw SIGSEGV atexit_handler; expected SIGBUS; expected a fault address < 0x2000, saw 0x2000",
        ),
        (
            SEGV.model_copy(update={"fault_address": NEAR}),
            with_address(CRASH, None),
            Verdict.FAIL,
            "saw SIGSEGV atexit_handler; expected a fault address < 0x2000, saw none",
        ),
        (
            of(OutcomeKind.SIGNAL, signal="SIGSEGV", fault_address=NEAR),
            Observation(
                trial=Trial(
                    number=1,
                    outcome=outcome(OutcomeKind.SIGNAL, signal="SIGBUS"),
                    core=CoreFile(state=CoreState.NONE),
                ),
                text="",
            ),
            Verdict.FAIL,
            "saw SIGBUS; expected SIGSEGV; expected a fault address < 0x2000, saw none",
        ),
        (
            of(OutcomeKind.EXIT, status=3, evidence=WANTED),
            watched(FREED),
            Verdict.FAIL,
            "saw exit 0; expected exit 3",
        ),
        (
            of(OutcomeKind.EXIT, status=0, evidence=WANTED.model_copy(update={"at_least": 3})),
            watched(FREED),
            Verdict.FAIL,
            "saw exit 0; expected InvalidRead at least 3 times, seen 2",
        ),
        (
            of(OutcomeKind.EXIT, status=0, evidence=WANTED.model_copy(update={"at_most": 1})),
            watched(FREED, note="its end is missing"),
            Verdict.FAIL,
            "saw exit 0; expected InvalidRead at least 1 and at most 1 times, seen 2 (its end is missing)",
        ),
        (
            of(
                OutcomeKind.EXIT,
                status=0,
                evidence=WANTED.model_copy(update={"frames": ("take_gil", "run"), "freed": ("free",)}),
            ),
            watched(FREED),
            Verdict.FAIL,
            "saw exit 0; expected InvalidRead, seen by take_gil > run, freed by free at least 1 times, "
            "seen 0",
        ),
        # Without the instrument's output, absence is not proven.
        (
            of(OutcomeKind.EXIT, status=0, evidence=WANTED.model_copy(update={"at_least": 0, "at_most": 0})),
            watched(path=None, note="valgrind wrote nothing"),
            Verdict.FAIL,
            "saw exit 0; expected InvalidRead at least 0 and at most 0 times, seen 0 "
            "(valgrind wrote nothing)",
        ),
        (QUIET, CRASH, Verdict.FAIL, "saw SIGSEGV atexit_handler; expected exit 0"),
        (of(OutcomeKind.EXIT), CRASH, Verdict.FAIL, "saw SIGSEGV atexit_handler; expected exit"),
        (of(OutcomeKind.HANG, status=0), CRASH, Verdict.FAIL, "saw SIGSEGV atexit_handler; expected hang"),
        (
            of(OutcomeKind.SIGNAL, signal="SIGSEGV"),
            ended(0, ""),
            Verdict.FAIL,
            "saw exit 0; expected SIGSEGV",
        ),
        (
            of(OutcomeKind.SIGNAL, signal="SIGABRT"),
            with_crash(CRASH, signature="SIGSEGV ?"),
            Verdict.FAIL,
            "saw SIGSEGV ?; expected SIGABRT",
        ),
        # A crash's own message counts as output, line by line.
        (
            of(OutcomeKind.SIGNAL, signal="SIGSEGV", message="^double free$"),
            with_crash(CRASH, message="double free"),
            Verdict.PASS,
            "SIGSEGV atexit_handler, as expected",
        ),
        (
            of(OutcomeKind.SIGNAL, signal="SIGSEGV", absent="."),
            CRASH,
            Verdict.PASS,
            "SIGSEGV atexit_handler, as expected",
        ),
    ],
)
def test_the_reason_names_every_difference(
    expectation: Expectation, seen: Observation, verdict: Verdict, reason: str
) -> None:
    judged = judge(expectation, [seen])
    assert (judged.verdict, judged.reason) == (verdict, reason)


@pytest.mark.parametrize(("kind", "word"), [(OutcomeKind.HANG, "hang"), (OutcomeKind.OOM, "oom")])
def test_an_ending_without_signal_and_status_is_named(kind: OutcomeKind, word: str) -> None:
    seen = Observation(
        trial=Trial(number=1, outcome=outcome(kind), core=CoreFile(state=CoreState.NONE)), text=""
    )
    assert judge(of(kind), [seen]).reason == f"{word}, as expected"


def test_a_lost_core_is_told_with_what_is_known_of_it() -> None:
    seen = Trial(
        number=1, outcome=outcome(OutcomeKind.SIGNAL, signal="SIGSEGV"), core=CoreFile(state=CoreState.LOST)
    )
    judged = judge(SEGV, [Observation(trial=seen, text="")])
    assert judged.reason == "SIGSEGV, but its core was lost: no core arrived"


def test_truncated_output_leaves_only_its_own_part_of_the_expectation_open() -> None:
    cut = Observation(trial=ended(0, "").trial, text="", whole=False)
    judged = judge(QUIET, [cut])
    assert judged.reason == (
        "exit 0, but its output is truncated; /callback ran, .* gone/ may be in the missing part"
    )
    core = CoreFile(state=CoreState.FOUND, truncated=True)
    both = Observation(trial=CRASH.trial.model_copy(update={"core": core}), text="", whole=False)
    wrong_frames = SEGV.model_copy(update={"frames": ("atexit_handler",), "message": "gone"})
    # Its frames are all there, so only the message is open: another expected signal is still a failure.
    assert judge(wrong_frames, [both]).verdict is Verdict.ERROR
    assert judge(wrong_frames.model_copy(update={"signal": "SIGBUS"}), [both]).verdict is Verdict.FAIL
    whole_core = Observation(trial=CRASH.trial, text="", whole=False)
    other = SEGV.model_copy(update={"frames": ("main",), "message": "gone"})
    assert judge(other, [whole_core]).verdict is Verdict.FAIL


def test_the_reason_of_several_trials_states_their_rate() -> None:
    bad = ended(0, "")
    assert judge(SEGV, [bad, bad]).reason == (
        "saw exit 0; expected SIGSEGV with atexit_handler > Py_FinalizeEx "
        "(0 of 2 trials as expected: rate under 78 % with 95 % confidence)"
    )
    assert judge(SEGV, [bad, CRASH]).reason == (
        "SIGSEGV atexit_handler, as expected (1 of 2 trials as expected)"
    )
    assert judge(QUIET, [GONE]).reason == "exit 0, as expected"
    assert judge(QUIET, [GONE, GONE]).reason == (
        "exit 0, as expected; rate under 78 % with 95 % confidence after 2 trials"
    )
    assert judge(QUIET, [GONE, bad]).reason.endswith(" (1 of 2 trials)")


def test_a_claim_passes_in_spite_of_the_unexpected_trials_that_it_tolerates() -> None:
    survive = Survival(rate=0.5, tolerate=0.2)
    claim = QUIET.model_copy(update={"survive": survive})
    design = survive.design
    wrong = next(number for number in range(1, len(design.claims)) if design.claims[number] > number)
    trials = [ended(3, "")] * wrong + [GONE] * (design.claims[wrong] - wrong)
    counted = tally(claim, [*trials[wrong:], *trials[:wrong]])
    assert counted.judgement.verdict is Verdict.PASS
    assert f", {wrong} of them not as expected" in counted.judgement.reason


@pytest.mark.parametrize(
    ("function", "name"),
    [
        ("f::g", "g"),
        ("run<a::b>::go", "go"),
        ("a::run(b::c)", "run"),
        ("::g", "g"),
        ("n::X", "X"),
        ("a::run<b::X>", "run<b::X>"),
        ("a::run<(x)1>", "run<(x)1>"),
    ],
)
def test_the_part_behind_the_namespace_is_outside_of_brackets(function: str, name: str) -> None:
    wanted = SEGV.model_copy(update={"frames": (name,)})
    assert judge(wanted, [crashed(function)]).verdict is Verdict.PASS
