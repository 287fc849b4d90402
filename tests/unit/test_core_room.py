"""Whether systemd-coredump keeps cores until they are read, as doctor says it."""

from dataclasses import replace

import pytest

from orchestrator.host import State
from orchestrator.host.doctor import core_room
from orchestrator.host.facts import store_room
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
