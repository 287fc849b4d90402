"""Signatures of hangs: where the main thread waits, by one name for all versions of glibc and CPython."""

import pytest

from orchestrator.crash.signature.hang import sign_hang
from orchestrator.crash.signature.names import public_name
from orchestrator.model import NativeFrame, Thread, Wait

LIBC = "/usr/lib/x86_64-linux-gnu/libc.so.6"
PYTHON = "/usr/lib/x86_64-linux-gnu/libpython3.13.so.1.0"
PROBE = "/opt/crashmatrix/scenario/probe.abi3.so"
MAIN = 7


def thread(
    *parts: tuple[str | None, str], tid: int = MAIN, called: bool = True, crashed: bool = False
) -> Thread:
    frames = tuple(NativeFrame(function=name, module=module, offset=0x1139) for name, module in parts)
    waits = Wait(text="waits", call="futex" if called else None)
    return Thread(tid=tid, crashed=crashed, native=frames, waits=waits)


@pytest.mark.parametrize(
    ("function", "public"),
    [
        ("___pthread_cond_timedwait64", "pthread_cond_timedwait"),
        ("__clock_nanosleep_time64", "clock_nanosleep"),
        ("__libc_read", "read"),
        ("_IO_printf", "printf"),
        ("__pthread_clockjoin_ex", "pthread_join"),
        ("__GI___pthread_mutex_lock", "pthread_mutex_lock"),
        ("read64_libc_", "read64_libc_"),
        ("Xread", "Xread"),
        ("gsignal", "raise"),
    ],
)
def test_a_function_of_the_c_library_by_its_public_name(function: str, public: str) -> None:
    assert public_name(function) == public


def test_the_main_thread_counts_and_not_the_one_that_was_asked() -> None:
    other = thread(("__poll", LIBC), ("serve", PROBE), tid=8, crashed=True)
    main = thread(("__futex_abstimed_wait", LIBC), ("__pthread_mutex_lock", LIBC), ("deadlock", PROBE),
                  ("main", PROBE))  # fmt: skip
    signature, how = sign_hang([other, main], MAIN)
    assert signature == "hang pthread_mutex_lock > deadlock > main"
    assert how == "where the main thread is: 3 telling of 4 frames"
    assert sign_hang([other, main], None)[0] == "hang poll > serve"
    assert sign_hang([], MAIN) == ("hang ?", "where the main thread is: 0 telling of 0 frames")


def test_what_a_c_library_of_cpp_calls_to_lock_is_no_part_of_a_hang() -> None:
    """As gdb and DWARF name them: libc++ as zig links it in, and libstdc++."""
    for names in (
        ("std::__1::__libcpp_mutex_lock[abi:nie220108](pthread_mutex_t*)", "std::__1::mutex::lock",
         "std::__1::lock_guard<std::__1::mutex>::lock_guard[abi:nie220108](std::__1::mutex&)"),
        ("__gthread_mutex_lock(pthread_mutex_t*)", "std::mutex::lock()",
         "std::lock_guard<std::mutex>::lock_guard(std::mutex&)"),
    ):  # fmt: skip
        main = thread(("___pthread_mutex_lock", LIBC), *((name, PROBE) for name in names), ("lookup", PROBE),
                      ("cfunction_call", PYTHON))  # fmt: skip
        assert sign_hang([main], MAIN)[0] == "hang pthread_mutex_lock > lookup"


def test_a_hang_has_no_more_than_three_functions() -> None:
    main = thread(("read", LIBC), *((name, PROBE) for name in "abcd"))
    assert sign_hang([main], MAIN)[0] == "hang read > a > b"


@pytest.mark.parametrize(
    ("waiting", "one"),
    [
        ("take_gil", "take_gil"),
        ("PyEval_RestoreThread", "take_gil"),
        ("PyThread_hang_thread", "PyThread_hang_thread"),
        ("_PyThreadState_HangThread", "PyThread_hang_thread"),
        ("acquire_timed", "PyThread_acquire_lock"),
        ("pysleep", "pysleep"),
    ],
)
def test_the_interpreters_waits_have_one_name_each(waiting: str, one: str) -> None:
    main = thread(("__futex_wait", LIBC), ("PyCOND_TIMEDWAIT", PYTHON), (waiting, PYTHON),
                  ("_PyEval_EvalFrameDefault", PYTHON), ("call", PROBE))  # fmt: skip
    assert sign_hang([main], MAIN)[0] == f"hang python:{one} > call"


def test_the_second_frame_of_the_interpreter_may_say_what_it_waits_for_and_the_third_may_not() -> None:
    frames = [("__futex_wait", LIBC), ("inlined", PYTHON), ("take_gil", PYTHON)]
    assert sign_hang([thread(*frames)], MAIN)[0] == "hang python:take_gil"
    frames.insert(1, ("another", PYTHON))
    assert sign_hang([thread(*frames)], MAIN)[0] == "hang python:another"


def test_what_the_c_library_calls_is_outside_of_it() -> None:
    main = thread(("pause", LIBC), ("last", PROBE), ("__run_exit_handlers", LIBC), ("__GI_exit", LIBC))
    assert sign_hang([main], MAIN)[0] == "hang pause > last > __run_exit_handlers"
    driving = thread(("__run_exit_handlers", LIBC), ("__GI_exit", LIBC), called=False)
    assert sign_hang([driving], MAIN)[0] == "hang __run_exit_handlers > exit"


def test_glibcs_functions_further_out_have_one_name_too() -> None:
    main = thread(("read", LIBC), ("compare", PROBE), ("qsort_r", LIBC))
    assert sign_hang([main], MAIN)[0] == "hang read > compare > qsort"


def test_a_static_program_has_the_c_library_inside() -> None:
    frames = (("__libc_pause", PROBE), ("stop", PROBE))
    assert sign_hang([thread(*frames)], MAIN)[0] == "hang pause > stop"
    assert sign_hang([thread(*frames, called=False)], MAIN)[0] == "hang __libc_pause > stop"


def test_a_wait_without_a_name_tells_by_what_asked_for_it() -> None:
    assert sign_hang([thread((None, LIBC), ("stop", PROBE))], MAIN)[0] == "hang stop"
    assert sign_hang([thread(("read", LIBC), (None, PYTHON))], MAIN)[0] == "hang python:?"
