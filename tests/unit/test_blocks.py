"""Cells by the block: however they are cut and joined, each stays there once, with its own answer."""

from collections.abc import Mapping
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import InputError, Location
from orchestrator.matrix.blocks import Block, Question, in_order, joined, size
from orchestrator.matrix.expression import parse
from orchestrator.matrix.facts import CellFacts
from orchestrator.matrix.named import named_cells
from orchestrator.model import ABSENT, Catalogue, Cell, ExcludedCells

GRID: Block = {"a": ("1", "2", "3"), "b": ("x", "y"), "c": ("p", "q", "r")}
EVERY = list(product(*GRID.values()))
Values = tuple[str, ...]


def cells(blocks: list[Block]) -> list[Values]:
    return [values for block in blocks for values in product(*block.values())]


def question_of(chosen: set[Values], axes: str) -> Question[bool]:
    """Whether a cell's values along some axes are among those of the chosen cells."""
    wanted = {tuple(cell["abc".index(axis)] for axis in axes) for cell in chosen}
    return Question(axes, lambda values: tuple(values[axis] for axis in axes) in wanted)


SOME = st.sets(st.sampled_from(EVERY))


@given(chosen=SOME, axes=st.sampled_from(["", "a", "c", "ab", "ac", "abc"]))
def test_a_question_cuts_a_grid_into_blocks_of_one_answer(chosen: set[Values], axes: str) -> None:
    question = question_of(chosen, axes)
    parts = list(question.apart([GRID]))
    assert sorted(cells([block for block, _ in parts])) == sorted(EVERY)
    for block, answer in parts:
        assert {question.of(dict(zip(block, cell, strict=True))) for cell in cells([block])} == {answer}


@given(chosen=SOME, others=SOME)
def test_joined_blocks_hold_the_same_cells_in_the_grids_order(
    chosen: set[Values], others: set[Values]
) -> None:
    """What several questions have cut, in pieces down to single cells."""
    asked = [block for block, holds in question_of(chosen, "abc").apart([GRID]) if holds]
    pieces = [block for block, _ in question_of(others, "abc").apart(asked)]
    single: list[Block] = [
        {axis: (value,) for axis, value in zip(GRID, cell, strict=True)} for cell in chosen
    ]
    for blocks in (joined(pieces, GRID), joined(single, GRID)):
        assert size(blocks) == len(chosen)
        assert [tuple(cell.values()) for cell in in_order(blocks, GRID)] == [c for c in EVERY if c in chosen]


def test_alike_cells_are_one_block() -> None:
    single: list[Block] = [{axis: (value,) for axis, value in zip(GRID, cell, strict=True)} for cell in EVERY]
    assert joined(single, GRID) == [GRID]


def test_a_question_is_asked_once_of_all_cells_alike() -> None:
    asked: list[str] = []

    def ask(axes: Mapping[str, str]) -> bool:
        asked.append(axes["b"])
        return axes["b"] == "x"

    question = Question(["b"], ask)
    assert [(block["b"], answer) for block, answer in question.apart([GRID, GRID])] == [
        (("x",), True),
        (("y",), False),
    ] * 2
    assert asked == ["x", "y"]


def test_an_axis_that_a_block_lacks_reads_as_none(catalogue: Catalogue) -> None:
    expression = parse('d != "none"', {"d": (ABSENT, "1")}, Location(file="m"))
    answers = list(CellFacts(catalogue).asked(expression, then=True).apart([GRID]))
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
    asked = CellFacts(catalogue.model_copy(update={"bases": bases})).asked(expression, then="yes")
    assert [(part["glibc"], part["probe"], answer) for part, answer in asked.apart([block])] == [
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
    every = [Cell.from_axes(axes) for axes in in_order([NAMED], NAMED)]
    found = named_cells([NAMED], [cell.id for cell in every], "matrix.yaml")
    assert in_order(found, NAMED) == [cell.axes for cell in every]
    assert len(found) == size([NAMED])


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
