"""Slots: so many containers of a run are up at once, and none is started once the run is stopped."""

import threading

import pytest

from orchestrator.errors import NotStartedError
from orchestrator.pipeline.slots import Slots


def test_no_more_containers_are_up_than_there_are_slots() -> None:
    """Four cells that are made at once run two at a time: the others enter when one leaves."""
    slots, here, most = Slots(2, threading.Event()), list[int](), list[int]()
    both = threading.Barrier(2)

    def run(number: int) -> None:
        with slots.slot():
            here.append(number)
            most.append(len(here))
            both.wait()  # only two at once get here, and each needs another one
            here.remove(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 2


def test_a_cell_that_waits_when_the_run_is_stopped_does_not_start() -> None:
    stop = threading.Event()
    slots = Slots(1, stop)
    with slots.slot():
        stop.set()
        with pytest.raises(NotStartedError), slots.slot():
            pytest.fail("it started")
    with pytest.raises(NotStartedError), slots.slot():
        pytest.fail("it started in the place that became free")


def test_a_slot_is_free_again_after_a_container_that_failed() -> None:
    slots = Slots(1, threading.Event())
    with pytest.raises(OSError, match="engine"), slots.slot():
        raise OSError("the engine went away")
    with slots.slot() as entered:
        assert entered is None
