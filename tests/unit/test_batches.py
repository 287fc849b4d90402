"""A cell's trials in containers: how many run at once, whose outcomes are taken next, what ends them."""

import threading
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import cast

import pytest

from orchestrator.errors import NotStartedError
from orchestrator.execute import TrialRequest
from orchestrator.model import Outcome
from orchestrator.pipeline.batches import Batch, Batches
from orchestrator.pipeline.slots import Slots


class Containers:
    """Containers that run until `work` returns, and what was done with them."""

    def __init__(self, work: Callable[[TrialRequest], None] = lambda _: None) -> None:
        self.asked: list[tuple[int, int]] = []
        self.ran: list[int] = []
        self.forgotten: list[int] = []
        self.killed = threading.Event()
        self._work = work

    def request(self, first: int, count: int) -> TrialRequest:
        self.asked.append((first, count))
        return cast("TrialRequest", SimpleNamespace(first=first, count=count))

    def run(self, batch: Batch) -> Sequence[Outcome]:
        with batch.slot:
            self.ran.append(batch.request.first)
            self._work(batch.request)
        numbers = range(batch.request.first, batch.request.first + batch.request.count)
        return [cast("Outcome", number) for number in numbers]

    def kill(self, _hostname: str) -> None:
        self.killed.set()

    def forget(self, request: TrialRequest) -> None:
        self.forgotten.append(request.first)

    def of(self, slots: Slots, trials: int, share: int) -> Batches:
        return Batches(
            trials=trials,
            share=share,
            slots=slots,
            request=self.request,
            run=self.run,
            kill=self.kill,
            forget=self.forget,
        )


def slots_for(count: int) -> Slots:
    return Slots(count, threading.Event())


def taken(batches: Batches, *, ahead: bool = True) -> list[int]:
    """The numbers of all trials in the order in which they are judged."""
    numbers: list[int] = []
    while batch := batches.next(ahead=ahead):
        numbers += cast("list[int]", batch.outcomes())
    return numbers


@pytest.mark.parametrize(
    ("count", "trials", "share", "asked"),
    [
        (2, 40, 32, [(1, 20), (21, 20)]),
        (2, 40, 16, [(1, 10), (11, 10), (21, 10), (31, 10)]),
        (3, 7, 32, [(1, 3), (4, 3), (7, 1)]),
        (1, 40, 16, [(1, 14), (15, 13), (28, 13)]),
        (4, 1, 1, [(1, 1)]),
    ],
)
def test_the_containers_of_all_places_have_equally_many_trials(
    count: int, trials: int, share: int, asked: list[tuple[int, int]]
) -> None:
    containers = Containers()
    with containers.of(slots_for(count), trials, share) as batches:
        assert taken(batches) == list(range(1, trials + 1))
    assert containers.asked == asked
    assert not containers.forgotten


def test_outcomes_are_taken_in_the_order_of_asking_though_the_second_container_ends_first() -> None:
    second = threading.Event()

    def work(request: TrialRequest) -> None:
        if request.first == 1:
            assert second.wait(60)  # they run at once, or it never comes
        else:
            second.set()

    with Containers(work).of(slots_for(2), 8, 4) as batches:
        assert taken(batches) == list(range(1, 9))


def test_trials_behind_one_that_was_examined_run_in_another_container() -> None:
    containers = Containers()
    with containers.of(slots_for(1), 10, 5) as batches:
        batch = batches.next(ahead=True)
        assert batch is not None
        batches.repeat(batch, 2)
        assert taken(batches) == list(range(3, 11))
    assert containers.asked[:2] == [(1, 5), (3, 3)]


def test_one_container_at_a_time_where_the_first_may_settle_the_cell() -> None:
    containers = Containers()
    with containers.of(slots_for(2), 8, 4) as batches:
        batches.next(ahead=False)
        assert containers.asked == [(1, 4)]
        taken(batches)


def test_a_cell_leaves_the_places_of_other_cells_alone() -> None:
    slots, containers = slots_for(4), Containers()
    with slots.cell(), slots.cell():
        assert slots.each == 2
        with slots.cell(), containers.of(slots, 8, 4) as batches:
            batches.next(ahead=True)
            assert containers.asked == [(1, 4)]
            taken(batches)
    assert slots.each == 4


def test_the_containers_of_a_settled_cell_are_killed_and_those_that_wait_do_not_start() -> None:
    containers, up = Containers(), threading.Event()

    def work(request: TrialRequest) -> None:
        if request.first != 1:
            up.set()
            assert containers.killed.wait(60)

    containers = Containers(work)
    with containers.of(slots_for(2), 16, 4) as batches:
        batch = batches.next(ahead=True)
        assert batch is not None
        batch.outcomes()
        assert up.wait(60)
        started = list(containers.ran)
    assert containers.killed.is_set()
    assert sorted(containers.forgotten) == [first for first, _ in containers.asked[1:]]
    assert len(containers.ran) <= len(started) + 1  # the third may have had the first one's place by then


def test_nothing_more_is_asked_for_once_the_run_is_stopped() -> None:
    slots, containers = slots_for(1), Containers()
    with containers.of(slots, 8, 4) as batches:
        batch = batches.next(ahead=True)
        assert batch is not None
        batch.outcomes()
        slots.stop.set()
        assert batches.next(ahead=True) is None
    assert containers.asked == [(1, 4)]


def test_a_cell_that_a_stopped_run_did_not_begin_says_so() -> None:
    slots = slots_for(2)
    slots.stop.set()
    with Containers().of(slots, 8, 4) as batches:
        batch = batches.next(ahead=True)
        assert batch is not None
        with pytest.raises(NotStartedError):
            batch.outcomes()
