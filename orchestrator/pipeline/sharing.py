"""Cells that share a container: those of a scenario that differ in its own axes only, one trial each."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from orchestrator.model import ABSENT, Arch, OutcomeKind, PlannedCell, Scenario

PLAIN: Final = "plain"
MOST: Final = 16
"""Cells in a container whose scenario does not say how many; the same number as of trials."""
TOGETHER: Final = 300.0
"""Seconds that the time limits of such cells may take together: a run that is stopped waits for a container
as long as it waits for one cell at its deadline (schedule.DRAIN)."""


def groups(
    cells: Iterable[PlannedCell], scenarios: Mapping[str, Scenario], host: Arch, jobs: int
) -> Iterator[Sequence[PlannedCell]]:
    """Cells of one image in the groups that one container each is for.

    As with the trials of a race, no container is shared under an instrument or an emulated architecture. A
    scenario's `share` says how many cells are in one. Where it does not, so many that `jobs` containers are
    busy, and none of a server, of a cell with a network or of one that is expected to end in another way.
    """
    shared: dict[tuple[object, ...], list[PlannedCell]] = {}
    for planned in cells:
        if _most(planned, scenarios[planned.cell.scenario], host) == 1:
            yield (planned,)
        else:
            shared.setdefault(_alike(planned), []).append(planned)
    for alike in shared.values():
        scenario = scenarios[alike[0].cell.scenario]
        size = _most(alike[0], scenario, host)
        if scenario.trials_per_container is None:
            size = min(size, math.ceil(len(alike) / jobs))
        for start in range(0, len(alike), size):
            yield alike[start : start + size]


def _most(planned: PlannedCell, scenario: Scenario, host: Arch) -> int:
    """The number of cells like this one that may share a container."""
    expectation = planned.expectation
    quiet = planned.cell.instrument == ABSENT and planned.cell.arch is host
    if planned.trials > 1 or expectation.must_crash or not quiet:
        return 1
    if scenario.trials_per_container is not None:
        return scenario.trials_per_container
    if planned.cell.launcher != PLAIN or planned.network or expectation.kind is not OutcomeKind.EXIT:
        return 1
    return max(1, min(MOST, int(TOGETHER // planned.timeout)))


def _alike(planned: PlannedCell) -> tuple[object, ...]:
    """The values that cells must have in common to share a container."""
    cell = planned.cell
    return (cell.scenario, cell.environment, cell.probe, planned.image, planned.timeout, planned.network,
            planned.expectation)  # fmt: skip
