"""plan.json's cells: rows of indices that read back as the same cells, and nothing else that reads at all."""

import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from orchestrator.errors import InputError
from orchestrator.model import (
    MATRIX_ARCHES,
    Arch,
    Cell,
    InterpreterKind,
    MadeOf,
    Plan,
    PlannedCell,
    PlannedCells,
    PlannedTerms,
    SelectedCells,
    Selection,
    Toolchain,
)
from orchestrator.pipeline.plan_cells import chosen_rows, part, planned_cells, shards_of
from orchestrator.pipeline.shards import Piece
from orchestrator.rundir import RunFolder
from tests.unit import run_factory as factory

OWN = st.dictionaries(st.sampled_from(["x", "y", "mitigation"]), st.sampled_from(["none", "a", "1.0"]))
CELLS = st.builds(
    lambda axes, own: Cell.from_axes({**axes, **own}),
    st.fixed_dictionaries({
        "scenario": st.sampled_from(["s", "t"]),
        "python": st.sampled_from(["3.9", "3.13"]),
        "glibc": st.sampled_from(["2.17", "2.41"]),
        "arch": st.sampled_from(MATRIX_ARCHES),
        "launcher": st.sampled_from(["plain", "uwsgi"]),
        "probe": st.sampled_from(["c", "cpp"]),
    }),
    OWN,
)  # fmt: skip
PLANNED = st.builds(
    PlannedCell,
    cell=CELLS,
    expectation=st.sampled_from([factory.CRASHES, factory.SURVIVES]),
    trials=st.integers(1, 3),
    trials_per_container=st.integers(1, 3),
    timeout=st.sampled_from([1.0, 2.5]),
    options=st.sampled_from([(), ("--master",), ("-X", "dev")]),
    image=st.sampled_from(["k1", "k2"]),
    made_of=st.sampled_from([
        None, MadeOf(base="b", origin="o", interpreter=InterpreterKind.OWN, version="3.9.2"),
    ]),
    toolchain=st.sampled_from([None, *Toolchain]),
    emulated=st.booleans(),
)  # fmt: skip


def plan_of(cells: PlannedCells) -> Plan:
    return Plan(
        run="r",
        created="c",
        profile="p",
        selection='"rows": []',
        cells=cells,
        excluded=(),
        deselected=0,
        images=(),
    )


@given(st.lists(PLANNED, max_size=8))
def test_cells_are_the_same_after_writing_and_reading(cells: list[PlannedCell]) -> None:
    plan = plan_of(PlannedCells.of(cells))
    assert list(plan.cells) == cells
    text = "".join(plan.chunks())
    assert json.loads(text) == json.loads(plan.model_dump_json())
    again = Plan.model_validate_json(text)
    assert again == plan
    assert list(again.cells) == cells
    assert list(again.cells[1:]) == cells[1:]
    assert list(again.cells.each_cell()) == [item.cell for item in cells]
    assert [again.cells[-1 - number] for number in range(len(cells))] == cells[::-1]


def test_what_many_cells_share_is_written_once() -> None:
    one = PlannedCell(cell=factory.cell(), expectation=factory.CRASHES, trials=1, timeout=9, image="k" * 64)
    cells = [
        one.model_copy(update={"cell": factory.cell(1, "uwsgi", "cpp", x=f"v{x}", y=f"v{y}")})
        for x, y in product(range(100), repeat=2)
    ]
    text = "".join(plan_of(PlannedCells.of(cells)).chunks())
    assert text.count(factory.CRASHES.because) == 1
    assert text.count('"v17"') == 2
    assert len(text) < 30 * len(cells)


def test_chunks_join_at_every_size(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = PlannedCells.of(
        PlannedCell(cell=cell, expectation=factory.CRASHES, trials=1, timeout=9, image="k")
        for cell in factory.smoke_cells()
    )
    whole = "".join(plan_of(cells).chunks())
    for size in (1, 5, 12, 13):
        monkeypatch.setattr("orchestrator.model.planned_cells.CHUNK", size)
        assert "".join(plan_of(cells).chunks()) == whole
    assert list(cells[3:9]) == list(cells)[3:9]
    assert cells != cells[1:]
    with pytest.raises(IndexError):
        cells[12]


Damage = Callable[[dict[str, Any]], object]
BAD = {
    "a grid beyond the grids": lambda cells: cells["rows"][0].__setitem__(0, 1),
    "a value beyond its axis": lambda cells: cells["rows"][0].__setitem__(2, 3),
    "terms beyond the terms": lambda cells: cells["rows"][0].__setitem__(-1, 2),
    "a negative index": lambda cells: cells["rows"][0].__setitem__(1, -1),
    "a truth": lambda cells: cells["rows"][0].__setitem__(1, False),
    "a text": lambda cells: cells["rows"][0].__setitem__(1, "0"),
    "a fraction": lambda cells: cells["rows"][0].__setitem__(1, 0.0),
    "a huge number": lambda cells: cells["rows"][0].__setitem__(1, 1 << 70),
    "a short row": lambda cells: cells["rows"][0].pop(),
    "a long row": lambda cells: cells["rows"][0].append(0),
    "an empty row": lambda cells: cells["rows"][0].clear(),
    "no row": lambda cells: cells["rows"].__setitem__(0, None),
    "no expectation": lambda cells: cells["expectations"].pop(),
    "an image beyond the images": lambda cells: cells["terms"][0].update(image=1),
    "options beyond the options": lambda cells: cells["terms"][0].update(options=1),
    "made of nothing": lambda cells: cells["terms"][0].update(made_of=0),
    "a grid without an axis": lambda cells: cells["grids"][0].pop("probe"),
    "another processor": lambda cells: cells["grids"][0].update(arch=["mips"]),
    "no table": lambda cells: cells.pop("grids"),
    "another table": lambda cells: cells.update(more=[]),
}


@pytest.mark.parametrize("name", BAD)
def test_cells_that_no_plan_has_are_refused_in_one_line(tmp_path: Path, name: str) -> None:
    path = factory.write_run(tmp_path) / "plan.json"
    document = json.loads(path.read_bytes())
    BAD[name](document["cells"])
    path.write_text(json.dumps(document))
    with pytest.raises(InputError, match=r"not a readable plan\.json") as caught:
        assert RunFolder(tmp_path).plan.cells
    assert "\n" not in str(caught.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 5) | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["arch", "probe", "x"]), inner)
    ),
    max_leaves=6,
)
WHOLE = json.loads("".join(plan_of(PlannedCells.of(
    PlannedCell(cell=cell, expectation=factory.CRASHES, trials=1, timeout=9, image="k")
    for cell in (*factory.smoke_cells(), factory.cell(1, "uwsgi", "cpp", x="v"))
)).chunks()))  # fmt: skip


@given(st.data())
def test_a_damaged_plan_is_refused_or_holds_whole_cells(data: st.DataObject) -> None:
    """Any one node of the cells replaced by any other: no index ever leads beyond its table."""
    document = deepcopy(WHOLE)
    node, key = document, "cells"
    while isinstance(node[key], dict | list) and node[key] and data.draw(st.booleans()):
        node = node[key]
        key = data.draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
    node[key] = data.draw(JSON)
    try:
        plan = Plan.model_validate_json(json.dumps(document))
    except ValidationError:
        return
    assert [type(item.cell.id) for item in plan.cells] == [str] * len(plan.cells)


AXES = {
    "scenario": ("s",),
    "python": ("3.9",),
    "glibc": ("2.31",),
    "arch": ("x86_64",),
    "launcher": ("plain",),
}


@given(
    chosen=st.lists(
        st.sets(st.sampled_from(list(product("abc", "xyz"))), min_size=1), min_size=1, max_size=3
    ),
    count=st.integers(1, 4),
)
def test_shards_have_the_cells_of_a_whole_plan_each_once(
    chosen: list[set[tuple[str, str]]], count: int
) -> None:
    grids = [
        {**AXES, "scenario": (f"s{number}",), "probe": ("cpp",), "a": tuple("abc"), "b": tuple("xyz")}
        for number in range(len(chosen))
    ]
    one = PlannedTerms(expectation=factory.CRASHES, trials=1, timeout=9, image="k")
    blocks = [
        SelectedCells(axes={**grid, "a": (a,), "b": (b,)}, terms=one)
        for grid, values in zip(grids, chosen, strict=True)
        for a, b in values
    ]
    selection = Selection(profile="p", grids=tuple(grids), cells=tuple(blocks), excluded=(), deselected=0)
    asked: list[str] = []

    def terms_of(axes: Mapping[str, str], _: object) -> PlannedTerms:
        asked.append(Cell.from_axes(axes).id)
        return one.model_copy(update={"image": axes["scenario"]})

    whole = [item.cell.id for item in planned_cells(chosen_rows(selection), terms_of)]
    assert whole == [
        f"s{number}/py3.9-glibc2.31-x86_64-plain-cpp+a={a}+b={b}"
        for number, values in enumerate(chosen)
        for a, b in sorted(values)
    ]
    asked.clear()
    rows = chosen_rows(selection)
    every = shards_of(rows, count, lambda numbers: Piece(seconds=len(numbers), builds=()))
    parts = [list(planned_cells(part(rows, numbers), terms_of)) for numbers in every]
    ids = [[item.cell.id for item in part] for part in parts]
    if len(chosen) < count:
        assert ids == [whole[index::count] for index in range(count)]
    assert [name for name in whole if sum(name in names for names in ids) != 1] == []
    assert [names for names in ids if names != sorted(names, key=whole.index)] == []
    assert sorted(asked) == sorted(whole), "the terms of another shard's cells were worked out"
    assert all(item.image == item.cell.scenario for its in parts for item in its)
    if len(chosen) >= count:
        held = [image for its in parts for image in {item.image for item in its}]
        assert len(held) == len(set(held)), "an image is built by two shards"


@pytest.mark.parametrize("arch", sorted(set(Arch) - set(MATRIX_ARCHES)))
def test_an_architecture_of_cores_alone_is_none_of_cells_and_hosts(arch: Arch) -> None:
    axes = {"scenario": "s", "python": "3.13", "glibc": "2.41", "launcher": "plain", "probe": "cpp"}
    with pytest.raises(ValidationError):
        Cell.from_axes(axes | {"arch": arch.value})
    with pytest.raises(ValueError, match="is not a valid Arch"):
        Arch.from_machine(arch.value)
