"""Recursion folded in each text of a stack, on those of real overflows (tests/data/cores/stacks.json)."""

import json
from io import StringIO
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from orchestrator.check.bugreport import _stack as bug_report
from orchestrator.cli.analysis import show_crash
from orchestrator.model import Crash, NativeFrame, PythonFrame, Thread
from orchestrator.model.recursion import MAX_PERIOD, ROUNDS, SHORTEST, Repeats, folded
from orchestrator.report import crash_words, stacks
from orchestrator.repro.texts import _stack as repro_text
from tests.unit import run_factory as factory

STACKS: dict[str, Any] = {
    item["recipe"]: item
    for item in json.loads((Path(__file__).parents[1] / "data/cores/stacks.json").read_text())
}
OVERFLOWS = sorted(name for name, item in STACKS.items() if item["overflowed"])
UNICODE = "ast-3.10.13-1"


def overflow(recipe: str, python: tuple[PythonFrame, ...] = ()) -> Crash:
    frames = [
        NativeFrame(function=function, module=module, offset=offset, pc=hex(number), scanned=bool(scanned))
        for number, (function, module, offset, *scanned) in enumerate(STACKS[recipe]["frames"])
    ]
    thread = Thread(tid=1, crashed=True, native=tuple(frames), python=python)
    made = factory.crash()
    site = made.crash.model_copy(update={"pc": frames[0].pc, "function": frames[0].function})
    return made.model_copy(update={"threads": (thread,), "crash": site})


def page(crash: Crash) -> str:
    text = StringIO()
    show_crash(Console(file=text, width=200), crash)
    return text.getvalue()


TEXTS = {
    "analyze": page,
    "bug report": lambda crash: "\n".join(bug_report(crash)),
    "repro": lambda crash: "\n".join(repro_text(crash)),
    "junit": crash_words.backtrace_text,
}


@pytest.mark.parametrize("kind", TEXTS)
def test_a_recursion_is_folded_in_each_text(kind: str) -> None:
    text = TEXTS[kind](overflow(UNICODE))
    frames = [name for name, *_ in STACKS[UNICODE]["frames"]]
    first, count = frames.index("ast2obj_expr"), frames.count("ast2obj_expr")
    assert count > 40
    assert f"the call of frame {first} repeats {count - 1} times more" in text
    assert text.count("ast2obj_expr") == 1
    assert f"#{first}" in text
    assert f"#{first + 1} " not in text


@pytest.mark.parametrize("recipe", OVERFLOWS)
def test_the_page_of_an_overflow_is_short_and_counts_all_its_frames(recipe: str) -> None:
    crash = overflow(recipe)
    rows = stacks.stack_rows(crash, crash.threads[0])
    assert sum(row.frames for row in rows) == len(crash.threads[0].native) > 2 * len(rows)
    assert sum(row.repeats != "" for row in rows) >= 1
    assert [row.number for row in rows if row.fault] == [0]


def test_a_recursion_of_the_interpreter_stays_in_the_fold_of_its_frames() -> None:
    crash = overflow(UNICODE)
    folds = stacks.stack(crash, crash.threads[0])
    total = len(crash.threads[0].native)
    assert any(f"{total - 1} frames of the interpreter: " in fold.summary for fold in folds)


def test_what_evaluation_loops_run_tells_them_apart_and_python_recursion_folds() -> None:
    loops = tuple(
        NativeFrame(function="_PyEval_EvalFrameDefault", module="python3", pc=hex(number))
        for number in range(40)
    )
    python = [PythonFrame(function=f"f{number}", file="a.py", line=1, native=number) for number in range(20)]
    python += [
        PythonFrame(function="odd" if number % 2 else "even", file="a.py", line=2, native=number)
        for number in range(20, 40)
    ]
    made = overflow(UNICODE)
    thread = made.threads[0].model_copy(update={"native": loops, "python": tuple(python)})
    crash = made.model_copy(update={"threads": (thread,)})
    for text in (page(crash), TEXTS["bug report"](crash), TEXTS["junit"](crash)):
        assert all(text.count(f"f{number} ") == 1 for number in range(20))
        assert "the calls of frames 20 to 21 repeat 9 times more" in text
    assert "the last 2 calls repeat 9 times more" in page(crash)
    loose = [frame.model_copy(update={"native": None}) for frame in python]
    unplaced = crash.model_copy(
        update={"threads": (thread.model_copy(update={"native": (), "python": tuple(loose)}),)}
    )
    assert "the last 2 calls repeat 9 times more" in TEXTS["junit"](unplaced)


def test_the_fault_and_what_a_scenario_expects_are_never_folded_away() -> None:
    crash = overflow(UNICODE)
    crash = crash.model_copy(update={"crash": crash.crash.model_copy(update={"pc": hex(30)})})
    rows = stacks.stack_rows(crash, crash.threads[0], ("ast2obj_expr", "nowhere"))
    assert [row.number for row in rows if row.fault] == [30]
    assert sum(row.expected for row in rows) == 1
    assert [row.missing for row in rows if row.missing] == ["nowhere"]
    assert sum(row.frames for row in rows) == len(crash.threads[0].native) + 1


@pytest.mark.parametrize(
    ("calls", "words"),
    [
        ("x" + "ab" * 8 + "c", ["the calls of frames 1 to 2 repeat 7 times more"]),
        ("a" * SHORTEST, [f"the call of frame 0 repeats {SHORTEST - 1} times more"]),
        ("a" * (SHORTEST - 1), []),
        ("abcdefghij" * 2, []),
        ("aaab" * 10 + "aa", ["the calls of frames 0 to 3 repeat 9 times more"]),
        ("a" * 20 + "b" * 20, [f"the call of frame {at} repeats 19 times more" for at in (0, 20)]),
    ],
)  # fmt: skip
def test_what_is_said_of_a_cycle(calls: str, words: list[str]) -> None:
    assert [item.words() for item in folded(calls) if isinstance(item, Repeats)] == words


@given(st.lists(st.tuples(st.text("abc", min_size=1, max_size=5), st.integers(1, 30)), max_size=6))
def test_what_is_folded_can_be_written_out_again(parts: list[tuple[str, int]]) -> None:
    calls = "".join(text * times for text, times in parts)
    whole: list[str] = []
    for item in folded(calls):
        if isinstance(item, Repeats):
            assert item.times + 1 >= ROUNDS
            assert item.last - item.first < MAX_PERIOD
            assert item.last == len(whole) - 1
            whole += chain.from_iterable([calls[item.first : item.last + 1]] * item.times)
        else:
            assert item == len(whole)
            whole.append(calls[item])
    assert "".join(whole) == calls
