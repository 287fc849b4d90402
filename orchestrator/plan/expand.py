"""Expanding a matrix: the cross product, narrowed by profile and flags, less what is excluded."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from typing import Final

from orchestrator.errors import InputError, Location
from orchestrator.model import (
    ABSENT,
    Arch,
    Catalogue,
    Cell,
    ExcludedCell,
    Expectation,
    Instrument,
    OutcomeKind,
    ProbeKind,
    Scenario,
    SelectedCell,
    Selection,
)
from orchestrator.plan.exclusion import Exclusions
from orchestrator.plan.expression import Expression, Remembered, exact_name, parse
from orchestrator.plan.matrix import Exclusion, Matrix, Profile
from orchestrator.tools.yamlfile import nearest

MAX_CELLS: Final = 1_000_000
"""A cross product beyond this is a mistake in the matrix, and would fill memory."""
SHARE: Final = 16
"""Trials in one container: its start and end cost half a second, and a stop waits for all of them."""
SLOWER: Final = {Instrument.VALGRIND: 10}
"""How many times its timeout a trial gets under an instrument: CPython alone took 4 s to start and end."""
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
    holds: Callable[[Mapping[str, str]], bool]


def select(matrix: Matrix, catalogue: Catalogue, request: Request) -> Selection:
    """Choose the cells of a request.

    Raises InputError for an unknown profile, axis or value, for a cell that no rule or several rules
    of its scenario speak of, and for an empty selection, which names the clause that emptied it.
    """
    profile = _profile(matrix, request)
    everything = _cross_product(matrix)
    releases = _Releases(catalogue)
    chosen = _narrow(everything, _clauses(matrix, profile, request, releases))
    questions = {
        name: _Question(matrix, scenario, catalogue, releases) for name, scenario in matrix.scenarios.items()
    }
    cells: list[SelectedCell] = []
    excluded: list[ExcludedCell] = []
    for axes in chosen:
        cell = Cell.from_axes(axes)
        question = questions[cell.scenario]
        left_out = question.exclusions.of(cell, releases.beside(axes))
        if left_out:
            excluded.append(left_out)
        else:
            cells.append(_selected(cell, question, request))
    if not cells and not request.allow_empty:
        raise _all_excluded(excluded)
    if request.shard:
        index, count = request.shard
        cells, excluded = cells[index - 1 :: count], excluded[index - 1 :: count]
    return Selection(
        profile=profile.name,
        cells=tuple(cells),
        excluded=tuple(excluded),
        deselected=len(everything) - len(chosen),
    )


def _profile(matrix: Matrix, request: Request) -> Profile:
    name = request.profile or matrix.default_profile
    if name not in matrix.profiles:
        raise InputError(f"--profile: there is no profile {name!r}", mend=nearest(name, matrix.profiles))
    return matrix.profiles[name]


def _cross_product(matrix: Matrix) -> list[dict[str, str]]:
    grids = [_grid(matrix, scenario) for scenario in matrix.scenarios.values()]
    if sum(math.prod(map(len, grid.values())) for grid in grids) > MAX_CELLS:
        raise InputError(
            f"the matrix has more than {MAX_CELLS} cells",
            where=Location(file=matrix.file),
            mend="take values out of its axes",
        )
    return [dict(zip(grid, values, strict=True)) for grid in grids for values in product(*grid.values())]


def _grid(matrix: Matrix, scenario: Scenario) -> dict[str, tuple[str, ...]]:
    """The axes of one scenario's cells: the matrix's, and its own.

    A scenario without a C++ probe lacks something, which is said of each cell; one without a crate or
    a program of its own does not, and has no such cells.
    """
    others = {kind for kind in ProbeKind if not kind.is_usual and scenario.probe(kind) is None}
    probes = tuple(value for value in matrix.axes["probe"] if value not in others)
    return {**matrix.axes, "scenario": (scenario.name,), "probe": probes, **scenario.axes}


def _clauses(matrix: Matrix, profile: Profile, request: Request, releases: "_Releases") -> Iterator[_Clause]:
    """Every narrowing, in the order in which it is named when nothing is left."""
    if request.cells is not None:
        yield _cells_clause(matrix, request.cells)
        return
    for axis, values in profile.axes.items():
        if axis not in request.axes:
            yield _values_clause(f"profile {profile.name} ({axis}: {', '.join(values)})", axis, values)
    yield _Clause(
        words=f"profile {profile.name} (select: {profile.select_text})", holds=releases.asked(profile.select)
    )
    for axis, values in request.axes.items():
        for value in values:
            if value not in matrix.vocabulary[axis]:
                raise InputError(
                    f"--{axis}: there is no {axis} {value!r} in {matrix.file} and its scenarios",
                    mend=nearest(value, matrix.vocabulary[axis]),
                )
        yield _values_clause(f"--{axis} {','.join(values)}", axis, values)
    if request.expression is not None:
        parsed = parse(request.expression, matrix.vocabulary, Location(file="-k", line=1, column=1))
        yield _Clause(words=f"-k '{request.expression}'", holds=releases.asked(parsed))


def _cells_clause(matrix: Matrix, wanted: frozenset[str]) -> _Clause:
    known = {Cell.from_axes(axes).id for axes in _cross_product(matrix)}
    for cell in sorted(wanted - known):
        raise InputError(f"there is no cell {cell!r} in {matrix.file}", mend=nearest(cell, known))
    return _Clause(words="--cell", holds=lambda axes: Cell.from_axes(axes).id in wanted)


def _values_clause(words: str, axis: str, values: Sequence[str]) -> _Clause:
    wanted = frozenset(values)
    return _Clause(words=words, holds=lambda axes: axes.get(axis, ABSENT) in wanted)


def _narrow(cells: list[dict[str, str]], clauses: Iterator[_Clause]) -> list[dict[str, str]]:
    for clause in clauses:
        left = [axes for axes in cells if clause.holds(axes)]
        if not left:
            raise InputError(
                f"no cell is left: {clause.words} matches none of the {len(cells)} cells "
                "that the clauses before it left",
                mend="see `crashmatrix plan --list`",
            )
        cells = left
    return cells


class _Releases:
    """Axis values with the exact release of python beside them, which expressions compare."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._of = cache(catalogue.release_of)

    def beside(self, axes: Mapping[str, str]) -> Mapping[str, str]:
        """The axes of a cell, with its interpreter's release where the catalogue has one."""
        release = self._of(axes["python"], axes["glibc"], Arch(axes["arch"]))
        return {**axes, exact_name("python"): release} if release else axes

    def asked(self, expression: Expression) -> Callable[[Mapping[str, str]], bool]:
        """An expression as a question of axis values alone."""
        return lambda axes: expression.holds(self.beside(axes))


class _Question:
    """A scenario with its expressions parsed; they may name the matrix's axes and its own."""

    def __init__(self, matrix: Matrix, scenario: Scenario, catalogue: Catalogue, releases: _Releases) -> None:
        words = {**matrix.axes, **scenario.axes}
        own = [
            Exclusion(when=parse(item.when, words, item.where), reason=item.reason, where=item.place)
            for item in scenario.exclusions
        ]
        self.scenario = scenario
        self._releases = releases
        self.exclusions = Exclusions(
            scenario, catalogue, [*matrix.exclusions, *own], pythons=matrix.axes["python"]
        )
        self._options = [
            (Remembered(parse(item.when, words, item.where)), item.options)
            for item in scenario.launcher_options
        ]
        self._rules = [
            (Remembered(parse(rule.when, words, rule.where)), rule.expectation) for rule in scenario.rules
        ]

    def options(self, cell: Cell) -> tuple[str, ...]:
        """The launcher's options in a cell: of every entry that holds of it, in their order."""
        axes = self._releases.beside(cell.axes)
        return tuple(option for when, options in self._options if when.holds(axes) for option in options)

    def expectation(self, cell: Cell) -> Expectation:
        """The one rule that speaks of a cell; none or several is an error in the scenario."""
        axes = self._releases.beside(cell.axes)
        found = [expectation for when, expectation in self._rules if when.holds(axes)]
        if len(found) == 1:
            return found[0]
        places = " and ".join(str(expectation.where) for expectation in found)
        said = f"several rules ({places}) speak" if found else "no rule speaks"
        raise InputError(
            f"scenario {cell.scenario}: {said} of cell {cell.id}",
            mend="make exactly one `when` under `expect` hold for it",
        )


def _selected(cell: Cell, question: _Question, request: Request) -> SelectedCell:
    if len(cell.id) > MAX_ID:
        raise InputError(
            f"the id of a cell is {len(cell.id)} characters long, at most {MAX_ID} make a folder: {cell.id}",
            mend="shorten the names of its axes and values",
        )
    scenario, expectation = question.scenario, question.expectation(cell)
    most = expectation.survive.design.most if expectation.survive else scenario.trials
    trials = request.trials or most
    return SelectedCell(
        cell=cell,
        expectation=expectation,
        trials=trials,
        share=min(trials, scenario.share or _share(cell, expectation)),
        timeout=request.timeout or scenario.timeout * SLOWER.get(cell.instrument, 1),
        options=question.options(cell),
    )


def _share(cell: Cell, expectation: Expectation) -> int:
    """How many trials may share a container where the scenario does not say.

    A hang and a memory limit are looked at from outside the container, an instrument leaves files.
    """
    apart = expectation.kind in (OutcomeKind.HANG, OutcomeKind.OOM) or cell.instrument is not Instrument.NONE
    return 1 if apart else SHARE


def _all_excluded(excluded: Sequence[ExcludedCell]) -> InputError:
    reasons = list(dict.fromkeys(item.reason for item in excluded))
    more = f" (and {len(reasons) - 1} more reasons)" if len(reasons) > 1 else ""
    return InputError(
        f"no cell is left: all {len(excluded)} that match are excluded: {reasons[0]}{more}",
        mend="see `crashmatrix plan --list` for each",
    )
