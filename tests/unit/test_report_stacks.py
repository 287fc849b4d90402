"""Stacks for a page: Python among native frames, threads that stand alike as one, no stack without end."""

from orchestrator.model import Crash, NativeFrame, PythonFrame, Thread
from orchestrator.report.stacks import FRAMES, other_threads, stack_rows, unplaced
from tests.unit import run_factory as factory


def native(name: str, pc: int = 0) -> NativeFrame:
    return NativeFrame(function=name, module="libx.so", offset=4, pc=hex(pc), exact=True)


def crash_with(*threads: Thread) -> Crash:
    return factory.crash().model_copy(update={"threads": threads})


def test_python_frames_stand_above_the_native_frame_that_runs_them() -> None:
    thread = Thread(
        tid=1,
        crashed=True,
        native=(native("memcpy"), native("_PyEval_EvalFrameDefault"), native("main")),
        python=(
            PythonFrame(function="inner", file="a.py", line=2, native=1),
            PythonFrame(function="outer", file="a.py", line=9, native=1),
            PythonFrame(function="lost", file="b.py", line=1),
        ),
    )
    rows = stack_rows(crash_with(thread), thread)
    said = [row.python.function if row.python else row.native.function if row.native else "" for row in rows]
    assert said == ["memcpy", "inner", "outer", "_PyEval_EvalFrameDefault", "main"]
    assert [frame.function for frame in unplaced(thread)] == ["lost"]


def test_threads_that_stand_alike_are_one_group() -> None:
    idle = [Thread(tid=tid, crashed=False, native=(native("poll"), native("start"))) for tid in range(20)]
    other = Thread(tid=99, crashed=False, native=(native("read"),))
    first, second = other_threads(crash_with(*idle, other))
    assert (first.count, second.count) == (20, 1)
    assert first.others.endswith("12, …")
    assert second.others == ""


def test_a_stack_that_overflowed_keeps_its_ends_and_the_fault_and_says_what_is_left_out() -> None:
    frames = tuple(native("recurse", pc=index) for index in range(50_000))
    thread = Thread(tid=1, crashed=True, native=frames)
    crash = crash_with(thread)
    crash = crash.model_copy(update={"crash": crash.crash.model_copy(update={"pc": hex(200)})})
    rows = stack_rows(crash, thread)
    (gap,) = [row for row in rows if row.left_out]
    assert len(rows) - 1 + gap.left_out == 50_000
    assert len(rows) < 5 * FRAMES
    assert [row.number for row in rows if row.fault] == [200]
    assert rows[-1].number == 49_999
