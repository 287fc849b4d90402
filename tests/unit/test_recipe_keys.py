"""bench.recipes: how pairs are counted, and the rule of ClusterFuzz, by stacks that it shortens."""

import ast
import re
from itertools import combinations

import yaml
from hypothesis import given
from hypothesis import strategies as st

from bench.recipes.__main__ import BUGS, ENVIRONMENTS, PROJECT
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


def test_each_bug_of_the_project_is_described_is_code_and_runs_somewhere() -> None:
    described = yaml.safe_load(BUGS.read_text(encoding="utf-8"))
    for scenario, bugs in described.items():
        tree = ast.parse((PROJECT / f"{scenario}.py").read_text(encoding="utf-8"))
        functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        axis = yaml.safe_load((PROJECT / f"scenarios/{scenario}.yaml").read_text(encoding="utf-8"))["axes"][
            "bug"
        ]
        assert axis == list(bugs)
        assert functions >= set(bugs)
        assert any(f'"{scenario}"' in rule for rule in ENVIRONMENTS)
    assert {path.stem for path in (PROJECT / "scenarios").iterdir()} == described.keys()
    all_bugs = [name for bugs in described.values() for name in bugs]
    assert len(all_bugs) == len(set(all_bugs))


def test_each_bug_says_what_is_done_and_which_function_is_the_right_one() -> None:
    for bugs in yaml.safe_load(BUGS.read_text(encoding="utf-8")).values():
        for bug in bugs.values():
            assert bug.keys() <= {"package", "told", "do", "right"}
            assert bug["do"]
            assert re.compile(bug["right"]).pattern
            assert re.fullmatch(r"[\w.-]+/[\w.-]+#\d+", bug.get("told", "a/b#1"))
