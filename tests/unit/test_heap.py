"""What glibc found in a damaged heap, on real aborts.

tests/data/cores/aborts.json has the message and the frames of each way of heap.c, beside it, as `analyze`
read them from a core: with Debian's glibc 2.36 and its debug information, without that, with 2.41 (stripped)
and with 2.17, whose messages name program and address.
"""

import json
import signal
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

from orchestrator.crash.fault.heap import MEANINGS, explain_abort
from orchestrator.crash.fault.siginfo import Fault

ABORTS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "data/cores/aborts.json").read_text(encoding="utf-8")
)
ABORTED = Fault(number=signal.SIGABRT, code="SI_TKILL", address=None)
TWICE = "freed twice"
POINTER = "to no block of malloc's"
LATE = "this stack only shows where malloc came upon it"
SAID = {
    "tcache-twice": (TWICE,),
    "fast-twice": (TWICE,),
    "at-top": (TWICE,),
    "big-twice": (TWICE, "or other code overwrote"),
    "out": (TWICE, "ends past the end of the heap"),
    "inside": (POINTER,),
    "static": (POINTER,),
    "mapped": (POINTER,),
    "realloc": (POINTER,),
    "remap": (POINTER,),
    "size": ("the size before the block is impossible",),
    "next": ("wrote past the end of a block earlier", LATE),
    "fast-next": ("wrote past the end of a block earlier", LATE),
    "old-size": ("wrote past the end of a block earlier", LATE),
    "realloc-next": ("wrote past the end of a block earlier", LATE),
    "unsorted": ("the size of a free block contradicts", LATE),
    "prev-size": ("the size of a free block contradicts", LATE),
    "link": ("the links between free blocks are damaged", LATE),
    "unlink": ("the links between free blocks are damaged", LATE),
    "tcache-link": ("the links between free blocks are damaged", LATE),
    "fast-link": ("the links between free blocks are damaged", LATE),
    "top": ("the heap's unused rest", "past the end of the last block", LATE),
    "top-assert": ("the heap's unused rest", "past the end of the last block", LATE),
}


def in_libc(abort: dict[str, Any]) -> list[str | None]:
    libc = abort["frames"][0][1]
    return [name for name, _ in takewhile(lambda frame: frame[1] == libc, abort["frames"])]


def name_of(abort: dict[str, Any]) -> str:
    return f"{abort['glibc']} {abort['recipe']}"


@pytest.mark.parametrize("abort", [one for one in ABORTS if one["recipe"] != "own"], ids=name_of)
def test_an_abort_of_malloc_says_what_was_found(abort: dict[str, Any]) -> None:
    said = explain_abort(ABORTED, abort["message"], in_libc(abort))
    assert said
    if abort["glibc"] != "2.17":  # without a tcache, some ways are found elsewhere
        assert all(words in said for words in SAID[abort["recipe"]]), said


def test_every_way_is_there_in_two_versions_of_glibc() -> None:
    assert {one["recipe"] for one in ABORTS if one["glibc"] == "2.36"} >= SAID.keys() - {"fast-link"}
    assert {one["recipe"] for one in ABORTS if one["glibc"] == "2.41"} >= SAID.keys()
    assert len({one["message"] for one in ABORTS}) > 20


def test_messages_of_old_versions_are_read_between_the_program_and_the_address() -> None:
    old = [one for one in ABORTS if one["glibc"] == "2.17" and one["recipe"] != "own"]
    assert sum(one["message"].startswith("*** Error in `") for one in old) > 5


@pytest.mark.parametrize("abort", [one for one in ABORTS if one["recipe"] == "own"], ids=name_of)
def test_another_abort_is_not_the_heaps(abort: dict[str, Any]) -> None:
    assert explain_abort(ABORTED, abort["message"], in_libc(abort)) is None
    assert explain_abort(ABORTED, "free(): invalid pointer", in_libc(abort)) is None, "not in malloc"


def test_only_an_abort_with_a_message_of_malloc_is_explained() -> None:
    functions = ["raise", "abort", None, "free"]
    assert explain_abort(ABORTED, "free(): invalid pointer", functions)
    assert explain_abort(ABORTED, "free(): invalid pointer, said a program", functions) is None
    assert explain_abort(ABORTED, "max tcache size too large", functions) is None
    segv = Fault(number=signal.SIGSEGV, code="SEGV_MAPERR", address=0)
    assert explain_abort(segv, "free(): invalid pointer", functions) is None


@pytest.mark.parametrize(
    "message",
    [
        "prog: malloc.c:2394: sysmalloc: Assertion `(old_top == initial_top (av) && old_size == 0)' failed.",
        "malloc.c:2394: sysmalloc: Assertion `(old_top == initial_top (av) && old_size == 0)' failed.",
        "Fatal glibc error: malloc.c:2599 (sysmalloc): assertion failed: (old_top == initial_top (av))",
    ],
)
def test_assertions_of_malloc_itself_are_known_in_each_form(message: str) -> None:
    assert "the heap's unused rest" in (explain_abort(ABORTED, message, ["abort", "malloc"]) or "")
    other = message.replace("sysmalloc", "_int_malloc")
    assert "contradict each other" in (explain_abort(ABORTED, other, ["abort", "malloc"]) or "")
    assert explain_abort(ABORTED, message.replace("malloc.c", "app.c"), ["abort", "malloc"]) is None


def test_each_message_has_a_sentence_that_blames_no_frame_of_the_stack() -> None:
    assert len(MEANINGS) == 52
    for message, words in MEANINGS.items():
        assert any(part in words for part in ("other code", TWICE)), message
