"""Which host gets which cells: nothing is lost, nothing counts twice, whatever hosts do."""

import random
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.pipeline.fleet.dispatch import ATTEMPTS, BATCH, PLENTY, Dispatcher, Group, Lease, Prepare


def groups(*sizes: int, images: int = 1, arch: str = "x86_64") -> list[Group]:
    """Groups of so many cells, one after the other; the later ones may take longer."""
    found, first = [], 0
    for number, size in enumerate(sizes):
        cells = tuple(range(first, first + size))
        found.append(Group(image=f"image-{number % images}", arch=arch, cells=cells, seconds=float(number)))
        first += size
    return found


def made(found: Iterable[Group]) -> Dispatcher:
    found = list(found)
    return Dispatcher(found, sum(len(group.cells) for group in found))


def lease(work: Lease | Prepare | None) -> Lease:
    assert isinstance(work, Lease)
    return work


def test_a_host_makes_an_image_before_its_cells_and_takes_the_longest_first() -> None:
    dispatcher = made(groups(1, 1, 1))
    dispatcher.add_host("a", ["x86_64"], window=2)
    assert dispatcher.next("a") == Prepare(host="a", image="image-0")
    assert dispatcher.next("a") is None
    dispatcher.prepared("a", "image-0")
    assert [lease(dispatcher.next("a")).cells for _ in range(2)] == [(2,), (1,)]
    assert dispatcher.next("a") is None, "its window is full"


def test_a_lost_host_gives_its_cells_back_each_alone() -> None:
    dispatcher = made(groups(3))
    for name in ("a", "b"):
        dispatcher.add_host(name, ["x86_64"], window=2, images=["image-0"])
    lease(dispatcher.next("a"))
    assert dispatcher.next("b") is None
    assert dispatcher.remove_host("a") == ()
    assert sorted(lease(dispatcher.next("b")).cells for _ in range(2)) == [(0,), (1,)]


def test_the_first_result_counts_and_a_cell_that_waited_again_does_not_run() -> None:
    dispatcher = made(groups(1))
    dispatcher.add_host("a", ["x86_64"], window=2, images=["image-0"])
    late = lease(dispatcher.next("a"))
    dispatcher.remove_host("a")
    dispatcher.add_host("b", ["x86_64"], window=2, images=["image-0"])
    assert dispatcher.record(0), "the host was only cut off"
    assert dispatcher.release(late) == ()
    assert dispatcher.next("b") is None
    assert not dispatcher.record(0)
    assert dispatcher.left == 0


def test_a_cell_whose_hosts_are_lost_each_time_is_given_up() -> None:
    dispatcher = made(groups(2))
    for number in range(ATTEMPTS):
        name = f"host-{number}"
        dispatcher.add_host(name, ["x86_64"], window=4, images=["image-0"])
        while (work := dispatcher.next(name)) is not None:
            lease(work)
        given_up = dispatcher.remove_host(name)
        assert given_up == ((0, 1) if number == ATTEMPTS - 1 else ())


def test_an_image_fails_once_two_hosts_could_not_make_it() -> None:
    dispatcher = made(groups(1, 1))
    for name in ("a", "b"):
        dispatcher.add_host(name, ["x86_64"], window=2)
    assert dispatcher.next("a") == Prepare(host="a", image="image-0")
    assert dispatcher.not_prepared("a", "image-0") == ()
    assert dispatcher.next("a") is None, "it has failed there"
    assert dispatcher.next("b") == Prepare(host="b", image="image-0")
    assert sorted(dispatcher.not_prepared("b", "image-0")) == [0, 1]


def test_the_only_host_need_not_fail_twice() -> None:
    dispatcher = made(groups(1))
    dispatcher.add_host("a", ["x86_64"], window=2)
    dispatcher.next("a")
    assert dispatcher.not_prepared("a", "image-0") == (0,)


def test_hosts_share_out_images_before_two_make_the_same() -> None:
    dispatcher = made(groups(*[1] * 8, images=4))
    for name in ("a", "b"):
        dispatcher.add_host(name, ["x86_64"], window=2)
    prepared = [dispatcher.next(name) for name in ("a", "b", "a", "b")]
    assert sorted(item.image for item in prepared if item) == [f"image-{number}" for number in range(4)]


def test_a_host_takes_only_cells_of_its_architectures() -> None:
    dispatcher = made([*groups(1, arch="arm64")])
    dispatcher.add_host("a", ["x86_64"], window=2, images=["image-0"])
    assert dispatcher.next("a") is None
    assert dispatcher.waiting_arches() == {"arm64"}
    dispatcher.add_host("b", ["x86_64", "arm64"], window=2)
    assert dispatcher.waiting_arches() == frozenset()
    assert dispatcher.next("b") == Prepare(host="b", image="image-0")


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 4), min_size=1, max_size=30)
    | st.integers(1, 200).map(lambda most: [1] * most),
    images=st.integers(1, 4),
    seed=st.integers(0, 2**32),
)
def test_each_cell_ends_exactly_once_whatever_hosts_do(sizes: list[int], images: int, seed: int) -> None:
    """Hosts end their leases, are lost, come back and answer late, in any order."""
    dice = random.Random(seed)  # noqa: S311 - repeatable, not secret
    dispatcher = made(groups(*sizes, images=images))
    known: list[Lease] = []
    ended: list[int] = []
    names = [f"host-{number}" for number in range(3)]
    for _ in range(40 * len(sizes) + 400):
        if not dispatcher.left:
            break
        name = dice.choice(names)
        deed = dice.random()
        if name not in dispatcher.hosts:
            dispatcher.add_host(name, ["x86_64"], window=dice.randint(1, 3))
        elif deed < 0.02:
            ended += [cell for cell in dispatcher.remove_host(name) if dispatcher.record(cell)]
        elif deed < 0.5 and (work := dispatcher.next(name)) is not None:
            if isinstance(work, Prepare):
                dispatcher.prepared(name, work.image)
            else:
                known.append(work)
        elif known:
            late = known.pop(dice.randrange(len(known)))  # maybe of a host that was lost meanwhile
            ended += [cell for cell in late.cells if dispatcher.record(cell)]
            dispatcher.release(late)
    assert dispatcher.left == 0
    assert sorted(ended) == list(range(sum(sizes)))


def test_a_lease_has_several_groups_while_many_wait_and_one_towards_the_end() -> None:
    dispatcher = made(groups(*[2] * 200))
    for name in ("a", "b"):
        dispatcher.add_host(name, ["x86_64"], window=2, images=["image-0"])
    sizes = []
    while dispatcher.left:
        work = lease(dispatcher.next("a"))
        sizes.append(len(work.groups))
        assert len(work.cells) == 2 * len(work.groups)
        for cell in work.cells:
            dispatcher.record(cell)
        dispatcher.release(work)
    assert sizes[0] == BATCH
    assert sizes == sorted(sizes, reverse=True)
    assert sizes.count(1) == 2 * PLENTY * 4 - 1, "fewer than two for each place in four windows"


def test_a_cell_that_lost_its_host_is_in_no_lease_with_others() -> None:
    dispatcher = made(groups(*[1] * 200))
    dispatcher.add_host("a", ["x86_64"], window=1, images=["image-0"])
    lost = set(lease(dispatcher.next("a")).cells)
    assert len(lost) == BATCH
    dispatcher.remove_host("a")
    dispatcher.add_host("b", ["x86_64"], window=1, images=["image-0"])
    while dispatcher.left:
        work = lease(dispatcher.next("b"))
        assert len(work.cells) == 1 or not lost & set(work.cells)
        for cell in work.cells:
            assert dispatcher.record(cell)
        dispatcher.release(work)


@pytest.mark.parametrize("hosts", [1, 50])
def test_bookkeeping_does_not_grow_with_the_number_of_cells(hosts: int) -> None:
    """Steps are counted, not seconds: the heaps of a host hold no more than its images."""
    dispatcher = made(groups(*[1] * 5_000, images=5))
    names = [f"host-{number}" for number in range(hosts)]
    for name in names:
        dispatcher.add_host(name, ["x86_64"], window=4, images=[f"image-{number}" for number in range(5)])
    while dispatcher.left:
        for name in names:
            work = dispatcher.next(name)
            if isinstance(work, Lease):
                for cell in work.cells:
                    dispatcher.record(cell)
                dispatcher.release(work)
            assert all(len(host.ready) <= 5 for host in dispatcher._hosts.values())
