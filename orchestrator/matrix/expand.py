"""Expands a matrix: the cross product, narrowed by profile and flags, without excluded cells."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from orchestrator.adapters.suggest import nearest
from orchestrator.errors import ErrorList, InputError, Location, NoCellError
from orchestrator.invocation import command
from orchestrator.launchers import LAUNCHERS
from orchestrator.matrix.blocks import Block, size
from orchestrator.matrix.expression import ARCH, Expression, OneOf, known_value, parse
from orchestrator.matrix.facts import CatalogueFacts
from orchestrator.matrix.matrix_file import HOST, Matrix, Profile
from orchestrator.matrix.named import named_cells
from orchestrator.matrix.request import Request, axis_flag
from orchestrator.matrix.terms import CellSelector
from orchestrator.matrix.unavailable import unavailable_values
from orchestrator.model import (
    ABSENT,
    MAX_CELLS,
    Arch,
    Catalogue,
    Cover,
    ExcludedCells,
    ProbeKind,
    Scenario,
    SelectedCells,
    Selection,
)


@dataclass(frozen=True, kw_only=True)
class _Clause:
    """One narrowing of the matrix, named as the user wrote it."""

    words: str
    when: Expression


def select(matrix: Matrix, catalogue: Catalogue, request: Request) -> Selection:
    """Choose the cells of a request, of all its shards.

    Raises InputError for an unknown profile, axis or value, for a cell that no rule or several rules
    of its scenario match, and for an empty selection, which names the clause that emptied it.
    """
    profile = _profile(matrix, request)
    grids = _grids(matrix)
    facts = CatalogueFacts(catalogue, matrix.axes["glibc"])
    chosen = _chosen(grids, matrix, request, facts, catalogue.host)
    cells: list[SelectedCells] = []
    excluded: list[ExcludedCells] = []
    errors = ErrorList()
    for name, grid in zip(matrix.scenarios, grids, strict=True):
        selector = CellSelector(matrix, name, catalogue, facts)
        blocks = [block for block in chosen if name in block["scenario"]]
        left, out = selector.exclusions.partition(blocks, grid)
        with errors.collect():
            cells += selector.selected(left, grid, request)
        excluded += out
    errors.raise_all()
    if not cells and not request.allow_empty:
        raise _all_excluded(excluded)
    return Selection(
        profile=profile.name,
        grids=tuple(dict(grid) for grid in grids),
        cells=tuple(cells),
        excluded=tuple(excluded),
        unavailable=unavailable_values(cells, excluded, matrix.vocabulary),
        cover=Cover.ALL if request.cells is not None else request.cover or profile.cover,
        deselected=size(grids) - size(chosen),
    )


def reduced(
    selection: Selection,
    matrix: Matrix,
    cells: Sequence[SelectedCells],
    excluded: Sequence[ExcludedCells],
    request: Request,
) -> Selection:
    """A selection reduced to `cells`, with `excluded` added to the cells that cannot run.

    Raises InputError for an empty one that the request does not allow.
    """
    if not excluded:
        return selection
    everything = (*selection.excluded, *excluded)
    if not cells and not request.allow_empty:
        raise _all_excluded(excluded)
    unavailable = unavailable_values(cells, everything, matrix.vocabulary)
    return selection.model_copy(
        update={"cells": tuple(cells), "excluded": everything, "unavailable": unavailable}
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

    Where the matrix states its probes, a scenario without a C++ probe lacks something, so its cells are
    excluded; one without a crate or a program of its own does not, and has no such cells. The user's code
    has the launchers alone that start it.
    """
    lacks = {kind for kind in ProbeKind if scenario.probe(kind) is None}
    others = {ABSENT, *(kind for kind in lacks if matrix.probes_are_found or not kind.is_usual)}
    probes = tuple(value for value in matrix.axes["probe"] if value not in others)
    code = scenario.code
    launchers = tuple(
        name
        for name in matrix.axes["launcher"]
        if code is None or not code.is_copied or name not in LAUNCHERS or code.kind in LAUNCHERS[name].starts
    )
    return {
        **matrix.axes,
        "scenario": (scenario.name,),
        "launcher": launchers,
        "probe": probes if scenario.probes else (ABSENT,),
        **scenario.axes,
    }


def _chosen(
    grids: Sequence[Block], matrix: Matrix, request: Request, facts: CatalogueFacts, host: Arch
) -> list[Block]:
    if request.cells is not None:
        return named_cells(grids, request.cells, matrix.file)
    left = [grid for grid in grids if size([grid])]
    # All clauses first: a mistake in one comes before another that leaves no cell.
    for clause in list(_clauses(matrix, _profile(matrix, request), request, host)):
        before, matches = size(left), facts.when(clause.when, then=True)
        left = [block for block, matching in matches.partition(left) if matching]
        if not left:
            raise NoCellError(
                f"no cell is left: {clause.words} matches none of the {before} cells "
                "that the clauses before it left",
                hint=f"see `{command('plan', '--list')}`",
            )
    return left


def _clauses(matrix: Matrix, profile: Profile, request: Request, host: Arch) -> Iterator[_Clause]:
    """Every narrowing, in the order of the error for an empty selection."""
    for axis, values in profile.axes.items():
        if axis not in request.axes:
            hosts = axis == ARCH and HOST in values
            chosen = _with_host(values, matrix.axes[axis], host) if hosts else values
            words = f"profile {profile.name} ({axis}: {', '.join(values)})"
            yield _values_clause(words, axis, chosen)
    yield _Clause(words=f"profile {profile.name} (select: {profile.select_text})", when=profile.select)
    errors = ErrorList()
    for axis, values in request.axes.items():
        known, flag = matrix.vocabulary[axis], axis_flag(axis, values)
        meant = [known_value(axis, value, known) for value in values]
        for value, found in zip(values, meant, strict=True):
            if found is None:
                what = f"{flag}: there is no {axis} {value!r} in {matrix.file} and its scenarios"
                errors.add(InputError(what, hint=nearest(value, known, matrix.aliases.get(axis))))
        yield _values_clause(flag, axis, [value for value in meant if value is not None])
    if request.expression is not None:
        place = Location(file="-k", line=1, column=1)
        with errors.collect():
            parsed = parse(request.expression, matrix.vocabulary, place, matrix.aliases)
            yield _Clause(words=f"-k '{request.expression}'", when=parsed)
    errors.raise_all()


def _with_host(values: Sequence[str], known: Sequence[str], host: Arch) -> Sequence[str]:
    """A profile's architectures with the host's in place of `host`; all, if the matrix does not have that."""
    return [str(host) if value == HOST else value for value in values] if host in known else known


def _values_clause(words: str, axis: str, values: Sequence[str]) -> _Clause:
    return _Clause(words=words, when=OneOf(axis, frozenset(values)))


def _all_excluded(excluded: Sequence[ExcludedCells]) -> NoCellError:
    counts: Counter[str] = Counter()
    for item in excluded:
        counts[item.reason] += item.count
    ((first, _),) = counts.most_common(1)
    others = len(counts) - 1
    more = f" (and {others} more reason{'s' if others > 1 else ''})" if others else ""
    return NoCellError(
        f"no cell is left: all {counts.total()} that match are excluded: {first}{more}",
        hint=f"see `{command('plan', '--list')}` for each",
    )
