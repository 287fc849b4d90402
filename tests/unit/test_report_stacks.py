"""Stacks for a page: Python among native frames, threads that stand alike as one, no stack without end."""

from orchestrator.model import Crash, NativeFrame, PythonFrame, Thread, Wait
from orchestrator.report.hangs import deadlock, sentence
from orchestrator.report.stacks import FRAMES, stack, stack_rows, unplaced
from orchestrator.report.thread_groups import other_threads
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


def test_a_stack_without_end_keeps_its_ends_and_the_fault_and_says_what_is_left_out() -> None:
    frames = tuple(native(f"f{index}", pc=index) for index in range(50_000))
    thread = Thread(tid=1, crashed=True, native=frames)
    crash = crash_with(thread)
    crash = crash.model_copy(update={"crash": crash.crash.model_copy(update={"pc": hex(200)})})
    rows = stack_rows(crash, thread)
    (gap,) = [row for row in rows if row.left_out]
    assert len(rows) - 1 + gap.left_out == 50_000
    assert len(rows) < 5 * FRAMES
    assert [row.number for row in rows if row.fault] == [200]
    assert rows[-1].number == 49_999


def interpreter(*names: str) -> tuple[NativeFrame, ...]:
    return tuple(native(name).model_copy(update={"module": "/usr/bin/python3.11"}) for name in names)


def test_runs_of_the_interpreter_are_folded_but_not_what_tells() -> None:
    thread = Thread(
        tid=1,
        crashed=True,
        native=(
            native("f"),
            *interpreter("call_a", "call_b", "call_c", "call_d"),
            native("g"),
            *interpreter("short_a", "short_b"),
            native("h"),
            *interpreter("x", "Py_FinalizeEx", "y", "z"),
        ),
        python=(PythonFrame(function="script", file="a.py", line=2, native=7),),
    )
    folds = stack(crash_with(thread), thread, ("f", "Py_FinalizeEx"))
    assert [fold.summary for fold in folds if fold.summary] == [
        "4 frames of the interpreter: call_a … call_d"
    ]
    names = [
        row.native.function if row.native else row.python and row.python.function
        for fold in folds
        for row in fold.rows
    ]
    assert names == [
        "f", "call_a", "call_b", "call_c", "call_d", "g", "short_a", "script", "short_b", "h", "x",
        "Py_FinalizeEx", "y", "z",
    ]  # fmt: skip


def test_a_handler_is_not_folded_where_a_frame_of_it_is_expected() -> None:
    crash = factory.crash()
    thread = crash.threads[0]
    assert stack(crash, thread)[0].summary == "4 frames of the signal handler, above the fault"
    assert not stack(crash, thread, ("abort",))[0].summary


def hang_of(*waits: tuple[int, str | None, int | None], main: int | None = 1) -> Crash:
    threads = (
        Thread(tid=tid, crashed=tid == 1, waits=Wait(text="", what=what, thread=whom))
        for tid, what, whom in waits
    )
    return crash_with(*threads).model_copy(update={"hang": True, "main": main})


def test_a_circle_of_waits_is_a_deadlock_wherever_it_begins() -> None:
    crash = hang_of((3, "the GIL", 2), (2, "a mutex", 1), (1, "a mutex", 3), (9, "the GIL", 2))
    assert deadlock(crash) == (1, 3, 2)
    assert sentence(crash) == (
        "Deadlock: thread 1 (main) waits for a mutex, held by thread 3; thread 3 waits for the GIL, held by "
        "thread 2; thread 2 waits for a mutex, held by thread 1."
    )
    beside = hang_of((1, "a mutex", 3), (3, "the GIL", 2), (2, "a mutex", 3))
    assert deadlock(beside) in {(3, 2), (2, 3)}


def test_a_hang_without_a_circle_says_what_the_main_thread_waits_for() -> None:
    waits = hang_of((1, "the end of thread 2", 2), (2, "file descriptor 5", None))
    assert deadlock(waits) == ()
    assert sentence(waits) == "The process did not end: thread 1 (main) waits for the end of thread 2."
    assert sentence(hang_of((1, None, None))) == "The process did not end: thread 1 (main) runs."
    assert sentence(hang_of((1, "a mutex", 2), main=None)) == "The process did not end."


def test_a_stack_is_prepared_once_for_cells_that_differ_in_addresses() -> None:
    """Thousands of cells show the same stack, each at addresses of its own."""
    crash = factory.crash()
    thread = crash.crashed_thread
    assert thread is not None
    native = [item.model_copy(update={"pc": "0x1" if item.pc else None}) for item in thread.native]
    moved = thread.model_copy(update={"native": tuple(native)})
    idle = crash.model_copy(update={"crash": crash.crash.model_copy(update={"pc": None})})
    assert stack(idle, thread) is stack(idle, moved)
    assert stack(idle, thread) != stack(crash, thread), "the fault is marked"
    assert stack(idle, thread) != stack(idle, thread, ("absent_function",))
