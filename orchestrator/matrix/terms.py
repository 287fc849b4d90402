"""A scenario's rules applied to its cells: which are excluded, and under which terms the others run."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from orchestrator.errors import ErrorList, InputError, Location
from orchestrator.instruments import INSTRUMENTS, Instrument
from orchestrator.launchers import LAUNCHERS
from orchestrator.matrix.blocks import AxisFunction, Block, partition_by, size
from orchestrator.matrix.exclusion import Exclusions
from orchestrator.matrix.facts import CatalogueFacts
from orchestrator.matrix.matrix_file import Matrix
from orchestrator.matrix.request import Request
from orchestrator.matrix.rules import ExpectationRule
from orchestrator.matrix.scenario_file import MAX_TRIALS_PER_CONTAINER
from orchestrator.model import (
    ABSENT,
    INSTRUMENT,
    STANDARD_AXES,
    Catalogue,
    Cell,
    CellTerms,
    Expectation,
    OutcomeKind,
    SelectedCells,
)

TRIALS_PER_CONTAINER: Final = 32
"""The default of a scenario. A container's start and end cost half a second; a stop waits for all trials."""
MAX_ID: Final = 200
"""A cell's id becomes a path; file systems take 255 bytes a name."""


class CellSelector:
    """Applies a scenario's rules to its cells."""

    def __init__(self, matrix: Matrix, name: str, catalogue: Catalogue, facts: CatalogueFacts) -> None:
        rules = matrix.rules[name]
        self._scenario = matrix.scenarios[name]
        self._file = rules.file
        self.exclusions: Final = Exclusions(
            self._scenario,
            catalogue,
            [*matrix.exclusions, *rules.exclusions],
            facts,
            pythons=matrix.axes["python"],
        )
        self._options = [facts.when(item.when, item.options) for item in rules.options]
        self._default = rules.default
        self._rules = [facts.when(rule.when, rule) for rule in rules.expect]

    def selected(self, blocks: Sequence[Block], grid: Block, request: Request) -> Iterator[SelectedCells]:
        """The cells of a grid's blocks, in blocks that run under the same terms.

        Raises MultipleInputError for cells that no rule or several rules match, and ids that are too long.
        """
        launcher = AxisFunction(["launcher"], lambda axes: axes["launcher"])
        instrument = AxisFunction([INSTRUMENT], lambda axes: axes.get(INSTRUMENT, ABSENT))
        errors = ErrorList()
        for part in partition_by([*self._rules, *self._options, launcher, instrument], blocks, grid):
            with errors.collect():
                _check_ids(part)
                # One cell stands for all of the block: the functions have the same results for them.
                terms = self._terms(_first(part[0]), request, count=size(part))
                for block in part:
                    yield SelectedCells(axes=dict(block), terms=terms)
        errors.raise_all()

    def _terms(self, axes: Mapping[str, str], request: Request, *, count: int) -> CellTerms:
        expectation = self._rule(axes, count).of(LAUNCHERS[axes["launcher"]].clean_status)
        most = expectation.survive.design.most if expectation.survive else self._scenario.trials
        trials, instrument = request.trials or most, INSTRUMENTS.get(axes.get(INSTRUMENT, ABSENT))
        wanted = self._scenario.trials_per_container or TRIALS_PER_CONTAINER
        return CellTerms(
            expectation=expectation,
            trials=trials,
            enough=request.enough,
            trials_per_container=min(trials, wanted, _most_per_container(expectation, instrument)),
            timeout=request.timeout or self._scenario.timeout * (instrument.slowdown if instrument else 1),
            network=bool(self._scenario.code and self._scenario.code.network),
            memory=self._scenario.memory,
            options=(
                *self._served_by(axes["launcher"]),
                *(option for options in self._options for option in options(axes) or ()),
            ),
        )

    def _served_by(self, launcher: str) -> tuple[str, ...]:
        """The options by which a launcher runs the scenario's application as its `server` says."""
        serving = self._scenario.serving
        return LAUNCHERS[launcher].serve(serving) if serving else ()

    def _rule(self, axes: Mapping[str, str], count: int) -> ExpectationRule:
        """The one rule that matches a cell, which stands for `count` equal cells."""
        found = [rule for matching in self._rules if (rule := matching(axes))]
        if len(found) == 1:
            return found[0]
        if not found and self._default:
            return self._default
        cells = f"cell {Cell.from_axes(axes).id}" + (f" and {count - 1:,} more" if count > 1 else "")
        places = " and ".join(str(rule.expectation.where) for rule in found)
        matching = f"several rules match {cells}: {places}" if found else f"no rule matches {cells}"
        raise InputError(
            f"scenario {self._scenario.name}: {matching}",
            hint="exactly one `when` under `expect` must match each cell",
            where=Location(file=self._file),
        )


def _first(block: Block) -> dict[str, str]:
    return {axis: values[0] for axis, values in block.items()}


def _check_ids(blocks: Sequence[Block]) -> None:
    """Refuse ids that are too long for a folder; a block's longest id has the longest value of each axis."""

    def length(axis: str, value: str) -> int:
        return len(value) if axis in STANDARD_AXES else 0 if value == ABSENT else len(f"+{axis}={value}")

    for block in blocks:
        longest = {axis: max(values, key=lambda value: length(axis, value)) for axis, values in block.items()}
        name = Cell.from_axes(longest).id
        if len(name) > MAX_ID:
            raise InputError(
                f"the id of a cell has {len(name)} characters; a folder's name allows {MAX_ID}: {name}",
                hint="shorten the names of its axes and values",
            )


def _most_per_container(expectation: Expectation, instrument: Instrument | None) -> int:
    """The most trials that may share a container, which the scenario cannot raise.

    A hang and the memory limit are observed from outside the container, and an instrument leaves files.
    """
    apart = expectation.kind in (OutcomeKind.HANG, OutcomeKind.OOM) or instrument is not None
    return 1 if apart else MAX_TRIALS_PER_CONTAINER
