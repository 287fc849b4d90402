"""Cells that share a container: those of a scenario with `share` that differ in its own axes only."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from orchestrator.model import ABSENT, Arch, PlannedCell, Scenario


def groups(
    cells: Iterable[PlannedCell], scenarios: Mapping[str, Scenario], host: Arch
) -> Iterator[Sequence[PlannedCell]]:
    """Cells of one image in the groups that one container each is for, most of them alone.

    A scenario's `share` allows it, of cells with one trial. As with the trials of a race, no container is
    shared under an instrument or an emulated architecture.
    """
    shared: dict[tuple[object, ...], list[PlannedCell]] = {}
    for planned in cells:
        most = scenarios[planned.cell.scenario].trials_per_container or 1
        quiet = planned.cell.instrument == ABSENT and planned.cell.arch is host
        if most == 1 or planned.trials > 1 or planned.expectation.must_crash or not quiet:
            yield (planned,)
        else:
            shared.setdefault(_alike(planned), []).append(planned)
    for alike in shared.values():
        most = scenarios[alike[0].cell.scenario].trials_per_container or 1
        for start in range(0, len(alike), most):
            yield alike[start : start + most]


def _alike(planned: PlannedCell) -> tuple[object, ...]:
    """The values that cells must have in common to share a container."""
    cell = planned.cell
    return (cell.scenario, cell.environment, cell.probe, planned.image, planned.timeout, planned.network,
            planned.expectation)  # fmt: skip
