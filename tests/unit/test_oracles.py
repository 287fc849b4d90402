"""What explains a difference between debuggers, and that one reason does not hide another difference."""

import pytest

from tests.oracles.known import explain

OURS = ("touch", "last", "passes_on", "main")
ABORTED = ("__pthread_kill_implementation", "__pthread_kill_internal", "raise", "abort", "main")

ENDED = OURS[:2]
BOTH = (*ABORTED[:4], *OURS)
THEIRS = (ABORTED[0], *ABORTED[2:4], *OURS[:2], "main")


@pytest.mark.parametrize(
    ("debugger", "case", "ours", "theirs", "reasons"),
    [
        ("drgn", "gcc -O2 touch", OURS, ("touch", "last", "main"), ["it finds no tail calls"]),
        ("drgn", "gcc -O2 touch", OURS, ("touch", "main"), None),
        ("gdb", "gcc -O2 touch", OURS, ("touch", "last", "main"), None),
        ("lldb", "clang -O2 touch", ("touch", "last", "main"), OURS, ["clang's tail calls"]),
        ("lldb", "gcc -O2 abort", ABORTED, (ABORTED[0], *ABORTED[2:]), ["libc by symbols alone"]),
        ("drgn", "gcc -O2 wild", ("?", "main"), ("?", "_start"), ["it stays in code that is not there"]),
        ("drgn", "gcc -O2 wild", ("?", "main"), ("main",), None),
        ("lldb", "gcc -O2 -gdwarf-4 touch", OURS, ENDED, ["no tail calls of gcc's", "it ends before main"]),
        ("lldb", "gcc -O2 -gdwarf-5 touch", OURS, OURS[:1], None),
        ("drgn", "gcc -O1 -s touch", ("?", "?"), ("?", "?", "?"), ["it goes on behind _start"]),
        ("drgn", "g++ -O2 lambda", ("a::(anonymous)::b", "main"), ("b", "main"), ["names without scopes"]),
        ("gdb", "g++ -O2 lambda", ("A<long int>::b",), ("A<long>::b",), ["types respelled"]),
        ("gdb", "g++ -O2 lambda", ("A<long int>::b",), ("A<long>::c",), None),
        ("drgn", "gcc handler", BOTH, THEIRS, ["it finds no tail calls", "libc by symbols alone"]),
    ],
)  # fmt: skip
def test_a_difference_is_known_if_its_reasons_leave_nothing(
    debugger: str, case: str, ours: tuple[str, ...], theirs: tuple[str, ...], reasons: list[str] | None
) -> None:
    assert explain(debugger, case, ours, theirs) == reasons
