"""Processes that hang, dumped as the supervisor does it: where each thread waits, and for whom."""

import re

import pytest

from orchestrator.model import Thread, Wait
from tests.integration.dying import FAULTS, Read

NATIVE = pytest.mark.parametrize("backend", ["gdb", "elf"])


def wait(thread: Thread) -> Wait:
    assert thread.waits is not None
    return thread.waits


@NATIVE
def test_a_deadlock_names_who_has_which_mutex(backend: str, read: Read) -> None:
    crash = read(FAULTS, "deadlock", backend=backend)
    assert crash.signature == "hang pthread_mutex_lock > deadlock > main"
    assert (crash.signal.name, crash.signal.code) == ("SIGABRT", "SI_USER")
    main, other = crash.threads
    for waiting, holding, caller in ((main, other, "deadlock"), (other, main, "cross")):
        said = wait(waiting)
        assert (said.call, said.function, said.caller) == ("futex", "pthread_mutex_lock", caller)
        assert said.thread == holding.tid
        assert said.text == (
            f"waits in pthread_mutex_lock for a mutex, held by thread {holding.tid}, called by {caller}"
        )
        assert said.what == "a mutex"
    assert crash.main == main.tid


@NATIVE
def test_a_thread_that_waits_for_the_end_of_another_names_it(backend: str, read: Read) -> None:
    crash = read(FAULTS, "joined", backend=backend)
    assert crash.signature == "hang read > joined > main"
    main, other = crash.threads
    assert re.fullmatch(r"waits in read for file descriptor \d+, called by joined", wait(main).text)
    assert (wait(other).function, wait(other).caller, wait(other).thread) == (
        "pthread_join",
        "join",
        main.tid,
    )
    assert f"for the end of thread {main.tid}" in wait(other).text


@NATIVE
def test_a_hang_on_the_way_out_is_in_the_handler(backend: str, read: Read) -> None:
    crash = read(FAULTS, "leaving", backend=backend)
    assert crash.signature == "hang pause > last > __run_exit_handlers"
    assert wait(crash.threads[0]).text == "waits in pause, called by last"


@NATIVE
def test_who_has_the_gil_is_told(backend: str, read: Read) -> None:
    crash = read("python3", "/faults/hung.py", backend=backend)
    assert crash.signature == "hang python:take_gil"
    main = next(thread for thread in crash.threads if thread.crashed)
    want, hold = (
        next(thread for thread in crash.threads if name in [frame.function for frame in thread.python])
        for name in ("want", "hold")
    )
    assert wait(main).thread == hold.tid
    assert f"for the GIL, held by thread {hold.tid}, called by take_gil" in wait(main).text
    assert "; in Python: <module> (/faults/hung.py:" in wait(main).text
    assert "for a Python lock" in wait(want).text
    assert wait(hold).function == "pause"


@NATIVE
def test_a_process_that_ended_itself_did_not_hang(backend: str, read: Read) -> None:
    crash = read(FAULTS, "threads", backend=backend)
    assert crash.signature == "SIGSEGV touch > threads > main"
    assert [wait(thread).function for thread in crash.threads[1:]] == ["pause"] * 3
    assert crash.threads[0].waits is None
