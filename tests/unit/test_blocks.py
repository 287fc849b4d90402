"""Cells by the block: however they are cut and joined, each stays there once, with its own answer."""

from collections.abc import Mapping
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import InputError, Location
from orchestrator.invocation import command
from orchestrator.matrix.blocks import AxisFunction, Block, joined, partition_by, size
from orchestrator.matrix.expression import parse
from orchestrator.matrix.facts import CatalogueFacts
from orchestrator.matrix.named import MOST_NEAR, named_cells
from orchestrator.model import ABSENT, Catalogue, Cell, ExcludedCells

GRID: Block = {"a": ("1", "2", "3"), "b": ("x", "y"), "c": ("p", "q", "r")}
EVERY = list(product(*GRID.values()))
Values = tuple[str, ...]


def cells(blocks: list[Block]) -> list[Values]:
    return [values for block in blocks for values in product(*block.values())]


def membership(chosen: set[Values], axes: str) -> AxisFunction[bool]:
    """Whether a cell's values along some axes are among those of the chosen cells."""
    wanted = {tuple(cell["abc".index(axis)] for axis in axes) for cell in chosen}
    return AxisFunction(axes, lambda values: tuple(values[axis] for axis in axes) in wanted)


SOME = st.sets(st.sampled_from(EVERY))


@given(chosen=SOME, axes=st.sampled_from(["", "a", "c", "ab", "ac", "abc"]))
def test_a_function_partitions_a_grid_into_blocks_of_one_result(chosen: set[Values], axes: str) -> None:
    function = membership(chosen, axes)
    parts = list(function.partition([GRID]))
    assert sorted(cells([block for block, _ in parts])) == sorted(EVERY)
    for block, result in parts:
        assert {function(dict(zip(block, cell, strict=True))) for cell in cells([block])} == {result}


@given(chosen=SOME, others=SOME)
def test_several_functions_partition_a_grid_into_parts_of_the_same_results(
    chosen: set[Values], others: set[Values]
) -> None:
    functions = [membership(chosen, "ab"), membership(others, "c"), membership(others, "abc")]
    parts = partition_by(functions, [GRID], GRID)
    assert sorted(cell for part in parts for cell in cells(part)) == sorted(EVERY)

    def results_of(cell: Values) -> tuple[bool, ...]:
        return tuple(function(dict(zip(GRID, cell, strict=True))) for function in functions)

    results = [{results_of(cell) for cell in cells(part)} for part in parts]
    assert all(len(one) == 1 for one in results)
    assert len(set().union(*results)) == len(results)


def test_a_part_of_alike_cells_is_one_block() -> None:
    functions = [membership({cell for cell in EVERY if cell[0] == "2"}, "a"), membership(set(EVERY), "b")]
    assert partition_by(functions, [GRID], GRID) == [[{**GRID, "a": ("1", "3")}], [{**GRID, "a": ("2",)}]]


@given(chosen=SOME, others=SOME)
def test_joined_blocks_hold_the_same_cells(chosen: set[Values], others: set[Values]) -> None:
    """What several functions have partitioned, in pieces down to single cells."""
    found = [block for block, is_in in membership(chosen, "abc").partition([GRID]) if is_in]
    pieces = [block for block, _ in membership(others, "abc").partition(found)]
    single: list[Block] = [
        {axis: (value,) for axis, value in zip(GRID, cell, strict=True)} for cell in chosen
    ]
    for blocks in (joined(pieces, GRID), joined(single, GRID)):
        assert size(blocks) == len(chosen)
        assert sorted(cells(blocks)) == sorted(chosen)


def test_alike_cells_are_one_block() -> None:
    single: list[Block] = [{axis: (value,) for axis, value in zip(GRID, cell, strict=True)} for cell in EVERY]
    assert joined(single, GRID) == [GRID]


def test_a_function_is_called_once_for_all_cells_alike() -> None:
    called: list[str] = []

    def is_x(axes: Mapping[str, str]) -> bool:
        called.append(axes["b"])
        return axes["b"] == "x"

    function = AxisFunction(["b"], is_x)
    assert [(block["b"], result) for block, result in function.partition([GRID, GRID])] == [
        (("x",), True),
        (("y",), False),
    ] * 2
    assert called == ["x", "y"]


def test_an_axis_that_a_block_lacks_reads_as_none(catalogue: Catalogue) -> None:
    expression = parse('d != "none"', {"d": (ABSENT, "1")}, Location(file="m"))
    answers = list(CatalogueFacts(catalogue).when(expression, then=True).partition([GRID]))
    assert answers == [(GRID, None)]


def test_what_holds_of_one_release_is_not_said_of_another(catalogue: Catalogue) -> None:
    old, new = catalogue.bases
    bases = tuple(
        base.model_copy(
            update={"pythons": (base.pythons[0].model_copy(update={"version": "3.13", "release": release}),)}
        )
        for base, release in ((old, "3.13.5"), (new, "3.13.15"))
    )
    expression = parse('python >= "3.13.8"', {"python": ("3.13",)}, Location(file="m"))
    block = {"python": ("3.13",), "glibc": ("2.31", "2.36"), "arch": ("x86_64",), "probe": ("cpp", "rust")}
    asked = CatalogueFacts(catalogue.model_copy(update={"bases": bases})).when(expression, then="yes")
    assert [(part["glibc"], part["probe"], answer) for part, answer in asked.partition([block])] == [
        (("2.31",), ("cpp", "rust"), None),
        (("2.36",), ("cpp", "rust"), "yes"),
    ]


NAMED: Block = {
    "scenario": ("race",),
    "python": ("3.1", "3.13", "3.13.5"),
    "glibc": ("2.17", "2.3", "2.31"),
    "arch": ("x86_64",),
    "launcher": ("plain", "uwsgi"),
    "probe": ("c", "c-embed", "cpp"),
    "level": (ABSENT, "1", "3"),
}


def test_every_cell_is_found_by_its_id() -> None:
    every = [Cell.from_axes(dict(zip(NAMED, values, strict=True))) for values in product(*NAMED.values())]
    found = named_cells([NAMED], [cell.id for cell in every], "matrix.yaml")
    assert sorted(map(str, found)) == sorted(
        str({axis: (value,) for axis, value in cell.axes.items()}) for cell in every
    )


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("race/py3.13-glibc2.31-x86_64-plane-cpp", "did you mean 'race/py3.13-glibc2.31-x86_64-plain-cpp'"),
        ("rice/py3.13-glibc2.31-x86_64-plain-cpp", "did you mean 'race/py3.13-glibc2.31-x86_64-plain-cpp'"),
        ("race/py3.13-glibc2.31-x86_64-plain-cpp+level=none", "there is no cell"),
        ("", "there is no cell"),
    ],
)
def test_an_id_that_no_cell_has_offers_the_nearest(name: str, says: str) -> None:
    with pytest.raises(InputError, match=r"matrix\.yaml") as caught:
        named_cells([NAMED], [name], "matrix.yaml")
    assert says in str(caught.value)


def test_an_id_like_none_of_very_many_cells_is_not_compared_with_all_of_them() -> None:
    own = tuple(f"value{number}" for number in range(MOST_NEAR))
    with pytest.raises(InputError) as caught:
        named_cells([{**NAMED, "level": own}], ["race"], "matrix.yaml")
    assert str(caught.value) == f"there is no cell 'race' in matrix.yaml; see `{command('plan', '--list')}`"


def group(block: dict[str, list[str]], reason: str = "said") -> ExcludedCells:
    axes = {"scenario": ("s",), "python": ("3.9",), "glibc": ("2.31",), "arch": ("x86_64",)}
    rest = {name: tuple(values) for name, values in block.items()}
    return ExcludedCells(axes={**axes, "launcher": ("plain",), "probe": ("cpp",), **rest}, reason=reason)


SUBSETS = st.fixed_dictionaries(
    {axis: st.lists(st.sampled_from(values), min_size=1, unique=True) for axis, values in GRID.items()}
)


@given(one=SUBSETS, other=SUBSETS)
def test_a_difference_of_excluded_cells_leaves_each_other_cell_once(
    one: dict[str, list[str]], other: dict[str, list[str]]
) -> None:
    left = [item.cell for part in group(one).without(group(other)) for item in part.each()]
    gone = {item.cell for item in group(other).each()}
    assert sorted(cell.id for cell in left) == sorted(
        item.cell.id for item in group(one).each() if item.cell not in gone
    )
    assert group(one).without(group(other, "another reason")) == (group(one),)
