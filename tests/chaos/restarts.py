"""An engine that is restarted, killed, or without its bridge, while a run goes on."""

import time
import uuid
from collections.abc import Callable
from typing import Final

from orchestrator.model import IMAGE, LABEL
from tests.chaos.engine import root
from tests.chaos.kills import CELLS
from tests.chaos.lab import Lab, Ran, results, same
from tests.chaos.table import Row, matched

PART: Final = "restarts"
AWAY: Final = 3.0
"""Seconds that the engine is away."""


def restarts(lab: Lab, *, short: bool) -> list[Row]:
    """A restart changes no verdict; an engine that stays away ends a run with exit code 3."""
    whole = lab.run(lab.project("undisturbed", CELLS))
    ends: dict[str, Callable[[], None]] = {"restart": lab.engine.stop, "kill -9": lab.engine.kill}
    rows = [_disturbed(lab, name, end, whole) for name, end in list(ends.items())[: 1 if short else 2]]
    if not short:
        rows += [_stays_away(lab), *_without_bridge(lab)]
    return [*rows, *lab.nothing_left(PART)]


def _disturbed(lab: Lab, name: str, end: Callable[[], None], whole: Ran) -> Row:
    project = lab.project(name.replace(" ", ""), CELLS)
    _leave(lab)
    process = lab.start(project)
    while process.poll() is None and not results(project / "reports"):
        time.sleep(0.05)
    end()
    time.sleep(AWAY)
    lab.engine.start()
    ran = lab.end(process, project)
    return same(PART, name, whole, ran)


def _leave(lab: Lab) -> None:
    """Make what a dying engine leaves behind: a volume without labels, and a container of a build."""
    with lab.engine.client() as client:
        client.volumes.create(f"cm-{uuid.uuid4().hex[:12]}")
        image = client.images.list(filters={"label": LABEL})[0]
        client.containers.create(image, ["-"], labels={LABEL: IMAGE})


def _stays_away(lab: Lab) -> Row:
    project = lab.project("stays-away", CELLS)
    process = lab.start(project, env={"CRASHMATRIX_ENGINE_WAIT": "2"})
    while process.poll() is None and not results(project / "reports"):
        time.sleep(0.05)
    lab.engine.stop()
    ran = lab.end(process, project)
    lab.engine.start()
    again = lab.run(project, "--resume")
    seen = f"exit {ran.code}, {ran.terminal}; then exit {again.code}, {len(again.results)} cells"
    return matched(
        PART, "stays away, then resumed", f"^exit 3, clean; then exit 1, {len(CELLS)} cells$", seen
    )


def _without_bridge(lab: Lab) -> list[Row]:
    """doctor tries what it claims: an engine that answers, and can start no container with a network."""
    root("ip", "link", "delete", lab.engine.bridge)
    said = lab.doctor()
    pattern = "a build with the network +missing .*bridge"
    return [matched(PART, "the bridge is gone", pattern, said)]
