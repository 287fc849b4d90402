from collections.abc import Sequence
from dataclasses import replace

import pytest

from orchestrator.binary.cpp_names import without_arguments
from orchestrator.model import (
    CHILD,
    AddressRange,
    Children,
    CoreFile,
    CoreState,
    Crash,
    CrashSite,
    Expectation,
    Judgement,
    NativeFrame,
    OtherCrash,
    OtherProcess,
    Outcome,
    OutcomeKind,
    Rate,
    SignalInfo,
    Survival,
    Thread,
    Trial,
    Verdict,
)
from orchestrator.verdict import Observation, Tally

SEGV = Expectation(
    kind=OutcomeKind.SIGNAL, signal="SIGSEGV", frames=("atexit_handler", "Py_FinalizeEx"), because="it must"
)
QUIET = Expectation(kind=OutcomeKind.EXIT, status=0, message=r"callback ran, .* gone", because="it must")


def tally(expectation: Expectation, seen: Sequence[Observation]) -> Tally:
    counted = Tally(expectation)
    for item in seen:
        counted.add(item)
    return counted


def judge(expectation: Expectation, seen: Sequence[Observation]) -> Judgement:
    return tally(expectation, seen).judgement


def is_settled(expectation: Expectation, seen: Observation) -> bool:
    return tally(expectation, [seen]).settled


def rate(expectation: Expectation, seen: Sequence[Observation]) -> Rate | None:
    return tally(expectation, seen).rate


def outcome(kind: OutcomeKind, *, status: int | None = None, signal: str | None = None) -> Outcome:
    return Outcome(
        kind=kind,
        status=status,
        signal=signal,
        seconds=0.1,
        started="",
        container="",
        hostname="",
        stdout="",
        stderr="",
    )


def frame(function: str | None, *, exact: bool = True) -> NativeFrame:
    return NativeFrame(function=function, module="/m", exact=exact)


def crashed(*functions: str, signal: str = "SIGSEGV", exact: bool = True, number: int = 1) -> Observation:
    frames = tuple(frame(name, exact=exact) for name in functions)
    read = Crash(
        arch="x86_64",
        truncated=False,
        signal=SignalInfo(number=11, name=signal, delivered="SIGABRT"),
        crash=CrashSite(pc="0x1", function=functions[0]),
        modules=(),
        signature=f"{signal} {without_arguments(functions[0])}",
        backends={},
        threads=(Thread(tid=1, crashed=False), Thread(tid=2, crashed=True, native=frames)),
    )
    trial = Trial(
        number=number,
        outcome=outcome(OutcomeKind.SIGNAL, signal="SIGABRT"),
        crash=read,
        core=CoreFile(state=CoreState.FOUND),
    )
    return Observation(trial=trial, text="")


def ended(status: int, text: str) -> Observation:
    trial = Trial(
        number=1, outcome=outcome(OutcomeKind.EXIT, status=status), core=CoreFile(state=CoreState.NONE)
    )
    return Observation(trial=trial, text=text)


def died(core: CoreState) -> Observation:
    trial = Trial(
        number=1,
        outcome=outcome(OutcomeKind.SIGNAL, signal="SIGSEGV"),
        core=CoreFile(state=core, note="over the pipe limit"),
    )
    return Observation(trial=trial, text="")


@pytest.mark.parametrize(
    ("function", "name"),
    [
        ("atexit_handler", "atexit_handler"),
        ("(anonymous namespace)::handler(int volatile*)", "handler"),
        ("(anonymous namespace)::handler", "handler"),
        ("n::Pub::go const", "go"),
        ("n::Pub::go(int) const &", "n::Pub::go"),
        ("Foo::operator()(int) const", "Foo::operator()"),
        ("Foo::operator()", "operator()"),
        ("run(void (*)(int), std::vector<n::T>)", "run"),
        ("each<n::T>(n::T) [clone .isra.0]", "each<n::T>"),
        ("n::each<n::T>", "each<n::T>"),
        ("Py_FinalizeEx.part.0", "Py_FinalizeEx"),
        ("__GI_exit", "exit"),
    ],
)
def test_a_function_is_named_as_its_author_wrote_it(function: str, name: str) -> None:
    wanted = SEGV.model_copy(update={"frames": (name,)})
    assert judge(wanted, [crashed(function)]).verdict is Verdict.PASS
    other = SEGV.model_copy(update={"frames": (name[1:],)})
    assert judge(other, [crashed(function)]).verdict is Verdict.FAIL


def test_an_end_that_the_journal_contradicts_is_an_error_with_both() -> None:
    seen = ended(0, "callback ran, all gone").trial
    assert judge(QUIET, [Observation(trial=seen, text="callback ran, all gone")]).verdict is Verdict.PASS
    contradicted = seen.model_copy(update={"disagreement": "the journal has its core, of SIGSEGV"})
    default = Expectation(kind=OutcomeKind.EXIT, status=0, because="", is_default=True)
    for expectation in (QUIET, default):
        judged = judge(expectation, [Observation(trial=contradicted, text="callback ran, all gone")])
        assert (judged.verdict, judged.reason) == (
            Verdict.ERROR, "exit 0, but the journal has its core, of SIGSEGV"
        )  # fmt: skip


def test_frames_that_a_truncated_core_lost_are_no_failure() -> None:
    seen = crashed("atexit_handler")
    cut = seen.trial.model_copy(update={"core": CoreFile(state=CoreState.FOUND, truncated=True)})
    judged = judge(SEGV, [Observation(trial=cut, text="")])
    assert (judged.verdict, judged.reason) == (
        Verdict.ERROR,
        "SIGSEGV atexit_handler, but its core is truncated, so its frames could not all be read",
    )
    assert judge(SEGV, [seen]).verdict is Verdict.FAIL
    other = SEGV.model_copy(update={"signal": "SIGBUS"})
    assert (
        judge(other, [Observation(trial=cut, text="")]).verdict is Verdict.FAIL
    )  # of that the core was sure


@pytest.mark.parametrize(
    ("parts", "text", "verdict"),
    [
        ({"message": "survived"}, "it survived", Verdict.PASS),
        ({"message": "survived"}, "", Verdict.ERROR),
        ({"message": None, "absent": "Traceback"}, "", Verdict.ERROR),
        ({"message": None, "absent": "Traceback"}, "Traceback", Verdict.FAIL),
        ({"message": "survived", "status": 1}, "", Verdict.FAIL),
    ],
)
def test_what_may_stand_in_output_that_was_cut_is_no_verdict(
    parts: dict[str, object], text: str, verdict: Verdict
) -> None:
    expected = QUIET.model_copy(update=parts)
    cut = replace(ended(0, text), whole=False)
    assert judge(expected, [cut]).verdict is verdict


def test_the_original_fault_with_its_frames_in_order_passes() -> None:
    seen = crashed("atexit_handler", "cfunction_call", "Py_FinalizeEx.part.0", "exit")
    judged = judge(SEGV, [seen])
    assert (judged.verdict, judged.reason) == (Verdict.PASS, "SIGSEGV atexit_handler, as expected")
    assert is_settled(SEGV, seen)


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        (
            crashed("atexit_handler", "Py_FinalizeEx", signal="SIGABRT"),
            "saw SIGABRT atexit_handler; expected SIGSEGV",
        ),
        (
            crashed("Py_FinalizeEx", "atexit_handler"),
            "but not in the expected order: Py_FinalizeEx",
        ),
        (crashed("my_atexit_handler", "Py_FinalizeEx"), "; not on the stack: atexit_handler"),
        (crashed("atexit_handler", "end_me"), "; not on the stack: Py_FinalizeEx"),
        (ended(0, ""), "saw exit 0; expected SIGSEGV with atexit_handler > Py_FinalizeEx"),
    ],
)
def test_another_crash_is_not_the_expected_one(seen: Observation, says: str) -> None:
    judged = judge(SEGV, [seen])
    assert judged.verdict is Verdict.FAIL
    assert says in judged.reason
    assert not is_settled(SEGV, seen)


@pytest.mark.parametrize(
    ("wanted", "found", "verdict"),
    [
        ("< 0x2000", "0x60", Verdict.PASS),
        ("< 0x2000", "0x1fff", Verdict.PASS),
        ("< 0x2000", "0x2000", Verdict.FAIL),
        ("<= 0x2000", "0x2000", Verdict.PASS),
        ("== 0x220", "0x221", Verdict.FAIL),
        ("> 4095", "0x1000", Verdict.PASS),
        (">= 0x1000", "0xfff", Verdict.FAIL),
        ("< 0x2000", None, Verdict.FAIL),
    ],
)
def test_a_fault_address_is_in_its_range(wanted: str, found: str | None, verdict: Verdict) -> None:
    seen = crashed("atexit_handler", "Py_FinalizeEx")
    assert seen.trial.crash is not None
    fault = seen.trial.crash.signal.model_copy(update={"fault_address": found})
    trial = seen.trial.model_copy(update={"crash": seen.trial.crash.model_copy(update={"signal": fault})})
    expectation = SEGV.model_copy(update={"fault_address": AddressRange.parse(wanted)})
    assert judge(expectation, [Observation(trial=trial, text="")]).verdict is verdict


def test_a_nearest_symbol_is_said() -> None:
    judged = judge(SEGV, [crashed("atexit_handler", "Py_FinalizeEx", exact=False)])
    assert judged.verdict is Verdict.PASS
    assert "nearest symbol only: atexit_handler, Py_FinalizeEx" in judged.reason


def test_a_libc_function_is_itself_by_its_internal_alias() -> None:
    wanted = SEGV.model_copy(update={"frames": ("exit",)})
    assert judge(wanted, [crashed("__GI_exit")]).verdict is Verdict.PASS
    assert judge(wanted, [crashed("__GI__exit")]).verdict is Verdict.FAIL


def test_a_lost_core_is_an_error_and_neither_crash_nor_survival() -> None:
    lost = judge(SEGV, [died(CoreState.LOST)])
    assert lost.verdict is Verdict.ERROR
    assert "over the pipe limit" in lost.reason
    unread = judge(SEGV, [died(CoreState.FOUND)])
    assert unread.verdict is Verdict.ERROR


def test_an_unexpected_crash_fails_even_without_its_core() -> None:
    assert judge(QUIET, [died(CoreState.LOST)]).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        (ended(0, "x\ncallback ran, value gone\n"), Verdict.PASS),
        (ended(0, "callback ran, value alive"), Verdict.FAIL),
        (ended(3, "callback ran, value gone"), Verdict.FAIL),
        (crashed("atexit_handler"), Verdict.FAIL),
    ],
)
def test_a_quiet_end_is_judged_by_status_and_message(seen: Observation, verdict: Verdict) -> None:
    assert judge(QUIET, [seen]).verdict is verdict


def test_what_must_be_absent_is_looked_for() -> None:
    lost = Expectation(kind=OutcomeKind.EXIT, absent="callback ran", because="it is skipped")
    assert judge(lost, [ended(0, "nothing")]).verdict is Verdict.PASS
    ran = judge(lost, [ended(0, "x\ncallback ran")])
    assert (ran.verdict, ran.reason) == (Verdict.FAIL, "saw exit 0; some output matches /callback ran/")


def test_trials() -> None:
    good, bad = crashed("atexit_handler", "Py_FinalizeEx"), ended(0, "")
    first = judge(SEGV, [bad, bad, good])
    assert (first.verdict, "1 of 3 trials" in first.reason) == (Verdict.PASS, True)
    assert judge(SEGV, [bad, bad]).verdict is Verdict.FAIL
    gone = ended(0, "callback ran, value gone")
    assert judge(QUIET, [gone, gone]).verdict is Verdict.PASS
    assert judge(QUIET, [gone, bad, gone]).verdict is Verdict.FAIL
    assert judge(QUIET, []).verdict is Verdict.ERROR


def test_a_lost_core_may_have_been_the_crash_so_it_comes_before_a_failure() -> None:
    assert judge(SEGV, [ended(0, ""), died(CoreState.LOST), ended(0, "")]).verdict is Verdict.ERROR


GONE, BAD = ended(0, "callback ran, value gone"), ended(3, "")


def surviving(**survive: float) -> Expectation:
    return QUIET.model_copy(update={"survive": Survival(**survive)})


def test_a_cell_that_survives_states_the_bound_of_its_trials() -> None:
    claim = surviving(rate=0.05)
    assert not tally(claim, []).settled
    assert not tally(claim, [GONE] * 58).settled
    assert tally(claim, [GONE] * 59).settled
    assert judge(claim, [GONE] * 59).reason == (
        "exit 0, as expected; rate under 5 % with 95 % confidence after 59 trials"
    )
    assert judge(claim, [GONE] * 10).reason == (
        "exit 0, as expected; cut short: rate under 26 % with 95 % confidence after 10 of 59 trials"
    )
    assert judge(QUIET, [GONE] * 10).reason == (
        "exit 0, as expected; rate under 26 % with 95 % confidence after 10 trials"
    )


def test_a_crash_is_never_retried_away() -> None:
    for expectation in (QUIET, surviving(rate=0.05)):
        counted = tally(expectation, [GONE, GONE, BAD])
        assert counted.settled
        assert counted.judgement.verdict is Verdict.FAIL
        assert "(1 of 3 trials)" in counted.judgement.reason


def test_what_a_scenario_tolerates_is_said() -> None:
    some = surviving(rate=0.05, tolerate=0.005)
    assert some.survive is not None
    most = some.survive.design.most
    open_ = tally(some, [GONE, BAD])
    assert not open_.settled
    assert open_.judgement.verdict is Verdict.ERROR
    passed = tally(some, [BAD, *[GONE] * (most - 1)])
    assert (passed.settled, passed.judgement.verdict) == (True, Verdict.PASS)
    assert "1 of them not as expected" in passed.judgement.reason
    assert tally(some, [BAD] * 4).judgement.verdict is Verdict.FAIL


def test_rates_count_what_could_be_judged() -> None:
    good, bad = crashed("atexit_handler", "Py_FinalizeEx"), ended(0, "")
    counted = rate(SEGV, [bad, bad, died(CoreState.LOST), good])
    assert counted is not None
    assert (counted.count, counted.trials, counted.event) == (1, 3, "crashed as expected")
    gone = ended(0, "callback ran, value gone")
    counted = rate(QUIET, [gone, bad, gone])
    assert counted is not None
    assert (counted.count, counted.trials, counted.event) == (1, 3, "were not as expected")
    assert rate(SEGV, [died(CoreState.LOST)]) is None


def test_a_cpp_function_is_named_with_or_without_its_namespace() -> None:
    wanted = SEGV.model_copy(update={"frames": ("handler", "a::b::run")})
    assert (
        judge(wanted, [crashed("n::handler(int, char const*)", "a::b::run() const")]).verdict is Verdict.PASS
    )
    assert judge(wanted, [crashed("n::xhandler(int)", "a::b::run()")]).verdict is Verdict.FAIL


def child(*functions: str, signal: str = "SIGSEGV", core: CoreState = CoreState.FOUND) -> OtherCrash:
    process = OtherProcess(
        pid=9, name="python3", role=CHILD, kind=OutcomeKind.SIGNAL, signal=signal, core_dumped=True
    )
    read = crashed(*functions, signal=signal).trial.crash if core is CoreState.FOUND else None
    return OtherCrash(process=process, core=CoreFile(state=core), crash=read)


def beside(seen: Observation, *others: OtherCrash) -> Observation:
    return replace(seen, trial=seen.trial.model_copy(update={"others": others}))


CLEAN = Expectation(kind=OutcomeKind.EXIT, status=0, because="it is well")


def test_the_crash_of_a_child_fails_where_none_may_crash() -> None:
    forbidden = CLEAN.model_copy(update={"children": Children.FORBIDDEN})
    seen = beside(ended(0, ""), child("parse", "main"), child("free"))
    assert judge(forbidden, [seen]) == Judgement(
        verdict=Verdict.FAIL,
        reason="saw exit 0, and SIGSEGV parse of child process python3 and 1 more; "
        "no other process may crash",
    )
    assert judge(forbidden, [ended(0, "")]).verdict is Verdict.PASS
    assert judge(forbidden, [beside(ended(0, ""), child(core=CoreState.LOST))]).verdict is Verdict.FAIL


def test_the_crash_of_a_child_is_named_where_it_may_crash() -> None:
    assert judge(CLEAN, [beside(ended(0, ""), child("parse"))]) == Judgement(
        verdict=Verdict.PASS,
        reason="exit 0, as expected; also seen: SIGSEGV parse of child process python3",
    )


CRASHING = CLEAN.model_copy(
    update={"children": Children.CRASH, "signal": "SIGSEGV", "frames": ("parse", "main")}
)


@pytest.mark.parametrize(
    ("seen", "verdict", "reason"),
    [
        (
            beside(ended(0, ""), child("free"), child("parse", "main")),
            Verdict.PASS,
            "exit 0; of another process SIGSEGV parse, as expected",
        ),
        (ended(0, ""), Verdict.FAIL, "saw exit 0; expected SIGSEGV of another process, none crashed"),
        (
            beside(ended(0, ""), child("main", "parse")),
            Verdict.FAIL,
            "saw exit 0, and SIGSEGV main of child process python3: "
            "on the stack, but not in the expected order: main",
        ),
        (
            beside(ended(1, ""), child("parse", "main")),
            Verdict.FAIL,
            "saw exit 1; expected exit 0",
        ),
        (
            beside(ended(0, ""), child(core=CoreState.LOST)),
            Verdict.ERROR,
            "exit 0; of another process SIGSEGV, but its core was lost: no core arrived",
        ),
    ],
)
def test_a_child_that_must_crash_is_held_to_signal_and_frames(
    seen: Observation, verdict: Verdict, reason: str
) -> None:
    judged = judge(CRASHING, [seen])
    assert (judged.verdict, judged.reason) == (verdict, reason)


def test_an_exit_beside_a_crash_is_another_end_than_an_exit_and_a_crash_is_one_either_way() -> None:
    worker = child("parse").model_copy(
        update={"process": child("parse").process.model_copy(update={"role": "worker gw1"})}
    )
    assert beside(ended(0, ""), child("parse")).trial.ended == "exit 0 with a crashed child"
    assert beside(ended(1, ""), worker).trial.ended == "exit 1 with a crashed worker"
    assert beside(crashed("parse"), child("parse")).trial.ended == crashed("parse").trial.ended == "SIGSEGV"


def test_the_fault_address_of_a_child_that_must_crash_is_the_childs() -> None:
    addressed = CRASHING.model_copy(update={"fault_address": AddressRange.parse("== 0x10")})
    for address, verdict in (("0x10", Verdict.PASS), ("0x11", Verdict.FAIL)):
        other = child("parse", "main")
        assert other.crash is not None
        signal = other.crash.signal.model_copy(update={"fault_address": address})
        other = other.model_copy(update={"crash": other.crash.model_copy(update={"signal": signal})})
        assert judge(addressed, [beside(ended(0, ""), other)]).verdict is verdict


def test_a_crash_of_the_judged_process_and_of_any_other_may_both_be_demanded() -> None:
    both = SEGV.model_copy(update={"children": Children.CRASH})
    seen = crashed("atexit_handler", "Py_FinalizeEx")
    assert judge(both, [beside(seen, child("free"))]).verdict is Verdict.PASS
    assert judge(both, [seen]).verdict is Verdict.FAIL


def test_a_function_is_named_without_its_arguments() -> None:
    seen = crashed("arrow::(anonymous namespace)::DoNonZero(std::vector<int> const&, long)")
    expected = Expectation(kind=OutcomeKind.EXIT, status=0, because="")
    assert "SIGSEGV arrow::(anonymous namespace)::DoNonZero; " in judge(expected, [seen]).reason
