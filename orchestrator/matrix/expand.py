"""Expanding a matrix: the cross product, narrowed by profile and flags, less what is excluded."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from orchestrator.adapters.yamlfile import nearest
from orchestrator.errors import InputError, Location
from orchestrator.instruments import INSTRUMENTS
from orchestrator.matrix.blocks import Block, in_order, size
from orchestrator.matrix.exclusion import Exclusions
from orchestrator.matrix.expression import Expression, OneOf, parse
from orchestrator.matrix.facts import CellFacts
from orchestrator.matrix.matrix_file import Exclusion, Matrix, Profile
from orchestrator.matrix.named import named_cells
from orchestrator.matrix.scenario_file import MAX_SHARE
from orchestrator.model import (
    MAX_CELLS,
    Catalogue,
    Cell,
    ExcludedCells,
    Expectation,
    OutcomeKind,
    ProbeKind,
    Scenario,
    SelectedCell,
    Selection,
)

SHARE: Final = 16
"""Trials in one container: its start and end cost half a second, and a stop waits for all of them."""
MAX_ID: Final = 200
"""A cell's id becomes a path; file systems take 255 bytes a name."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the user asked for: flags by axis, an expression, a profile, a shard (1-based)."""

    profile: str | None = None
    cells: frozenset[str] | None = None
    """Exactly these ids, whatever profile, flags and expression say."""
    axes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    expression: str | None = None
    shard: tuple[int, int] | None = None
    trials: int | None = None
    timeout: float | None = None
    offline: bool = False
    """Whether no registry is asked if it answers: its images are taken to be here already."""
    allow_empty: bool = False
    """Whether a selection of which every cell is excluded is a run of skips instead of a mistake."""


@dataclass(frozen=True, kw_only=True)
class _Clause:
    """One narrowing of the matrix, by the words in which the user gave it."""

    words: str
    when: Expression


def select(matrix: Matrix, catalogue: Catalogue, request: Request) -> Selection:
    """Choose the cells of a request.

    Raises InputError for an unknown profile, axis or value, for a cell that no rule or several rules
    of its scenario speak of, and for an empty selection, which names the clause that emptied it.
    """
    profile = _profile(matrix, request)
    grids = _grids(matrix)
    facts = CellFacts(catalogue)
    chosen = _chosen(grids, matrix, request, facts)
    questions = [_Question(matrix, scenario, catalogue, facts) for scenario in matrix.scenarios.values()]
    cells: list[SelectedCell] = []
    excluded: list[ExcludedCells] = []
    for question, grid in zip(questions, grids, strict=True):
        blocks = [block for block in chosen if block["scenario"] == grid["scenario"]]
        left, out = question.exclusions.apart(blocks, grid)
        cells += [_selected(axes, question, request) for axes in in_order(left, grid)]
        excluded += out
    if not cells and not request.allow_empty:
        raise _all_excluded(excluded)
    if request.shard:
        index, count = request.shard
        cells, excluded = cells[index - 1 :: count], excluded[index - 1 :: count]
    return Selection(
        profile=profile.name,
        cells=tuple(cells),
        excluded=tuple(excluded),
        deselected=size(grids) - size(chosen),
    )


def _profile(matrix: Matrix, request: Request) -> Profile:
    name = request.profile or matrix.default_profile
    if name not in matrix.profiles:
        raise InputError(f"--profile: there is no profile {name!r}", hint=nearest(name, matrix.profiles))
    return matrix.profiles[name]


def _grids(matrix: Matrix) -> list[Block]:
    """Each scenario's cells, which are never named all: most of a large matrix is excluded."""
    grids = [_grid(matrix, scenario) for scenario in matrix.scenarios.values()]
    if size(grids) > MAX_CELLS:
        raise InputError(
            f"the matrix has more than {MAX_CELLS} cells",
            where=Location(file=matrix.file),
            hint="take values out of its axes",
        )
    return grids


def _grid(matrix: Matrix, scenario: Scenario) -> Block:
    """The axes of one scenario's cells: the matrix's, and its own.

    A scenario without a C++ probe lacks something, which is said of each cell; one without a crate or
    a program of its own does not, and has no such cells.
    """
    others = {kind for kind in ProbeKind if not kind.is_usual and scenario.probe(kind) is None}
    probes = tuple(value for value in matrix.axes["probe"] if value not in others)
    return {**matrix.axes, "scenario": (scenario.name,), "probe": probes, **scenario.axes}


def _chosen(grids: Sequence[Block], matrix: Matrix, request: Request, facts: CellFacts) -> list[Block]:
    if request.cells is not None:
        return named_cells(grids, request.cells, matrix.file)
    left = [grid for grid in grids if size([grid])]
    for clause in _clauses(matrix, _profile(matrix, request), request):
        before, question = size(left), facts.asked(clause.when, then=True)
        left = [block for block, holds in question.apart(left) if holds]
        if not left:
            raise InputError(
                f"no cell is left: {clause.words} matches none of the {before} cells "
                "that the clauses before it left",
                hint="see `crashmatrix plan --list`",
            )
    return left


def _clauses(matrix: Matrix, profile: Profile, request: Request) -> Iterator[_Clause]:
    """Every narrowing, in the order in which it is named when nothing is left."""
    for axis, values in profile.axes.items():
        if axis not in request.axes:
            yield _values_clause(f"profile {profile.name} ({axis}: {', '.join(values)})", axis, values)
    yield _Clause(words=f"profile {profile.name} (select: {profile.select_text})", when=profile.select)
    for axis, values in request.axes.items():
        for value in values:
            if value not in matrix.vocabulary[axis]:
                raise InputError(
                    f"--{axis}: there is no {axis} {value!r} in {matrix.file} and its scenarios",
                    hint=nearest(value, matrix.vocabulary[axis]),
                )
        yield _values_clause(f"--{axis} {','.join(values)}", axis, values)
    if request.expression is not None:
        parsed = parse(request.expression, matrix.vocabulary, Location(file="-k", line=1, column=1))
        yield _Clause(words=f"-k '{request.expression}'", when=parsed)


def _values_clause(words: str, axis: str, values: Sequence[str]) -> _Clause:
    return _Clause(words=words, when=OneOf(axis, frozenset(values)))


class _Question:
    """A scenario with its expressions parsed; they may name the matrix's axes and its own."""

    def __init__(self, matrix: Matrix, scenario: Scenario, catalogue: Catalogue, facts: CellFacts) -> None:
        words = {**matrix.axes, **scenario.axes}
        own = [
            Exclusion(when=parse(item.when, words, item.where), reason=item.reason, where=item.place)
            for item in scenario.exclusions
        ]
        self.scenario = scenario
        self._launchers = catalogue.launchers
        self.exclusions = Exclusions(
            scenario, catalogue, [*matrix.exclusions, *own], facts, pythons=matrix.axes["python"]
        )
        self._options = [
            facts.asked(parse(item.when, words, item.where), item.options)
            for item in scenario.launcher_options
        ]
        self._rules = [facts.asked(parse(rule.when, words, rule.where), rule) for rule in scenario.rules]

    def options(self, axes: Mapping[str, str]) -> tuple[str, ...]:
        """The launcher's options in a cell: of every entry that holds of it, in their order."""
        return tuple(option for entry in self._options for option in entry.of(axes) or ())

    def expectation(self, cell: Cell, axes: Mapping[str, str]) -> Expectation:
        """The one rule that speaks of a cell; none or several is an error in the scenario."""
        found = [rule for asked in self._rules if (rule := asked.of(axes))]
        if len(found) == 1:
            return found[0].of(self._launchers[cell.launcher])
        places = " and ".join(str(rule.expectation.where) for rule in found)
        said = f"several rules ({places}) speak" if found else "no rule speaks"
        raise InputError(
            f"scenario {cell.scenario}: {said} of cell {cell.id}",
            hint="make exactly one `when` under `expect` hold for it",
        )


def _selected(axes: Mapping[str, str], question: _Question, request: Request) -> SelectedCell:
    cell = Cell.from_axes(axes)
    if len(cell.id) > MAX_ID:
        raise InputError(
            f"the id of a cell is {len(cell.id)} characters long, at most {MAX_ID} make a folder: {cell.id}",
            hint="shorten the names of its axes and values",
        )
    scenario, expectation = question.scenario, question.expectation(cell, axes)
    instrument = INSTRUMENTS.get(cell.instrument)
    most = expectation.survive.design.most if expectation.survive else scenario.trials
    trials = request.trials or most
    return SelectedCell(
        cell=cell,
        expectation=expectation,
        trials=trials,
        share=min(trials, scenario.share or SHARE, _most_share(cell, expectation)),
        timeout=request.timeout or scenario.timeout * (instrument.slowdown if instrument else 1),
        options=question.options(axes),
    )


def _most_share(cell: Cell, expectation: Expectation) -> int:
    """How many trials may share a container, whatever the scenario says.

    A hang and a memory limit are looked at from outside the container, an instrument leaves files.
    """
    apart = expectation.kind in (OutcomeKind.HANG, OutcomeKind.OOM) or cell.instrument in INSTRUMENTS
    return 1 if apart else MAX_SHARE


def _all_excluded(excluded: Sequence[ExcludedCells]) -> InputError:
    counts: Counter[str] = Counter()
    for item in excluded:
        counts[item.reason] += item.count
    ((first, _),) = counts.most_common(1)
    more = f" (and {len(counts) - 1} more reasons)" if len(counts) > 1 else ""
    return InputError(
        f"no cell is left: all {counts.total()} that match are excluded: {first}{more}",
        hint="see `crashmatrix plan --list` for each",
    )
