"""Calls in the background: all are made, none is waited for but at the end, and they do not pile up."""

import threading

from orchestrator.adapters.engine.later import MOST, Later
from orchestrator.errors import HostError


def test_settling_waits_for_all_calls() -> None:
    later, made, go = Later(), list[int](), threading.Event()

    def call(number: int) -> None:
        go.wait()
        made.append(number)

    for number in range(MOST):
        later.do(lambda number=number: call(number))  # type: ignore[misc]
    assert not made
    go.set()
    later.settle()
    assert sorted(made) == list(range(MOST))


def test_who_adds_more_than_fits_makes_the_call_himself() -> None:
    later, go, callers = Later(), threading.Event(), list[str]()

    def wait() -> None:
        go.wait()

    for _ in range(MOST):
        later.do(wait)
    later.do(lambda: callers.append(threading.current_thread().name))
    assert callers == [threading.current_thread().name]
    go.set()
    later.settle()


def test_a_call_that_fails_leaves_the_others_and_its_place() -> None:
    later, made = Later(), list[int]()

    def fail() -> None:
        raise HostError("the engine went away", hint="")

    for number in range(2 * MOST):
        later.do(fail)
        later.do(lambda number=number: made.append(number))  # type: ignore[misc]
    later.settle()
    assert sorted(made) == list(range(2 * MOST))
    later.do(lambda: made.append(-1))
    later.settle()
    assert -1 in made
