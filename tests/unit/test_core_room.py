"""Whether systemd-coredump keeps cores until they are read, as doctor says it."""

from dataclasses import replace

import pytest

from orchestrator.host import State
from orchestrator.host.doctor import core_room
from orchestrator.host.facts import HostPaths, store_room
from orchestrator.host.plan import plan
from orchestrator.host.record import FileEntry
from orchestrator.host.steps import Goal
from tests.unit.test_host_plan import READY

GIB = 1 << 30


@pytest.mark.parametrize(
    ("texts", "free", "state"),
    [
        ([], 40 * GIB, State.OK),
        ([], 5 * GIB, State.OK),
        ([], 4 * GIB, State.DEGRADED),
        (["KeepFree=50G\n"], 40 * GIB, State.DEGRADED),
        (["KeepFree=0\n"], 2 * GIB, State.OK),
        (["MaxUse=100M\n"], 40 * GIB, State.DEGRADED),
    ],
)
def test_cores_that_would_be_deleted_are_said_before(texts: list[str], free: int, state: State) -> None:
    room = store_room(texts, "/var/lib/systemd/coredump", 100 * GIB, free)
    found = core_room(replace(READY, collection=replace(READY.collection, store=room)))
    assert found.state is state
    assert ("soon deletes cores" in found.found) == (state is State.DEGRADED)
    assert ("KeepFree= and MaxUse=" in found.hint) == (state is State.DEGRADED)
    assert not found.blocks


@pytest.mark.parametrize(
    ("texts", "free", "wanted"),
    [
        ([], 40 * GIB, None),
        ([], 4 * GIB, "KeepFree=256M\nMaxUse=4096M"),
        (["KeepFree=50G\n"], 40 * GIB, "KeepFree=256M\nMaxUse=4096M"),
        (["MaxUse=100M\n"], 40 * GIB, "KeepFree=256M\nMaxUse=1024M"),
        ([], GIB, None),  # nothing helps but room
    ],
)
def test_setup_has_cores_kept_where_that_helps(texts: list[str], free: int, wanted: str | None) -> None:
    room = store_room(texts, "/var/lib/systemd/coredump", 100 * GIB, free)
    facts = replace(READY, collection=replace(READY.collection, store=room))
    steps = [step for step in plan(facts, HostPaths()) if step.goal is Goal.CORE_ROOM]
    assert [step.commands[-1].stdin for step in steps] == ([f"[Coredump]\n{wanted}"] if wanted else [])
    for step in steps:
        assert step.entries == (FileEntry(path="/run/systemd/coredump.conf.d/crashmatrix.conf"),)
        set_so = store_room([*texts, step.commands[-1].stdin or ""], room.folder, 100 * GIB, free)
        kept = replace(READY, collection=replace(READY.collection, store=set_so))
        assert core_room(kept).state is State.OK
        assert plan(kept, HostPaths()) == ()
