"""bench.recipes: how pairs are counted, and the rule of ClusterFuzz, by stacks that it shortens."""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from bench.recipes.keys import Seen, clusterfuzz_state, confused, count_pairs
from orchestrator.model import Crash, CrashSite, NativeFrame, SignalInfo, Thread


def crash(*functions: str | None, module: str = "/opt/liba.so", signal: str = "SIGSEGV") -> Crash:
    frames = tuple(NativeFrame(function=name, module=module, offset=16) for name in functions)
    return Crash(
        arch="x86_64", truncated=False, signal=SignalInfo(number=11, name=signal), signature="",
        crash=CrashSite(pc=None, function=None), threads=(Thread(tid=1, crashed=True, native=frames),),
        modules=(), backends={},
    )  # fmt: skip


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz")), max_size=12))
def test_pairs_are_counted_as_one_would_by_hand(keys: list[tuple[str, str]]) -> None:
    pairs = count_pairs(keys)
    by_hand = [(one[0] == other[0], one[1] == other[1]) for one, other in combinations(keys, 2)]
    assert (pairs.same, pairs.same_shared) == (
        sum(bug for bug, _ in by_hand),
        sum(a and b for a, b in by_hand),
    )
    assert pairs.different == sum(not bug for bug, _ in by_hand)
    assert pairs.different_shared == sum(key and not bug for bug, key in by_hand)


def test_the_bugs_that_share_a_key_are_named() -> None:
    seen = [Seen(bug=bug, environment="e", signature=key, state="s") for bug, key in ("ax", "bx", "cy")]
    assert list(confused(seen, "signature")) == [("x", ["a", "b"])]
    assert list(confused(seen, "state")) == [("s", ["a", "b", "c"])]


def test_clusterfuzz_takes_three_frames_that_it_does_not_ignore() -> None:
    stack = (
        "__GI_raise",
        "abort",
        "std::__terminate",
        "ns::(anonymous namespace)::f(int)",
        "g",
        "ab",
        "void h<int>()",
    )
    assert clusterfuzz_state(crash(*stack)) == "SIGSEGV ns::f / g / ab"
    assert clusterfuzz_state(crash("void h<int>()", "main")) == "SIGSEGV void h<int>"
    assert clusterfuzz_state(crash("memcpy", None, "main")) == "SIGSEGV /opt/liba.so+0x10"
    assert clusterfuzz_state(crash("getenv", "run", module="/lib/libc.so.6")) == "SIGSEGV "
