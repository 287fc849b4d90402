"""Covers: every combination that some selectable cell has is in a chosen one, on few images."""

import re
from itertools import combinations, product
from pathlib import Path
from shutil import copy, copytree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.cli import main
from orchestrator.matrix import Candidate, Request, combination_count, covering
from orchestrator.model import Cover, PlannedCells
from orchestrator.pipeline.planning import make_plan
from orchestrator.pipeline.projects import Project

ROOT = Path(__file__).parents[2]
GRID = tuple(product(range(3), range(3, 6), range(6, 8), range(8, 11)))
STRENGTHS = {Cover.PAIRWISE: 2, Cover.THREE_WISE: 3}


def candidates(cells: list[tuple[int, ...]]) -> list[Candidate]:
    """The first two axes decide a cell's image, the first one its environment; some cells lack an axis."""
    return [Candidate(values=cell, image=cell[:2], environment=cell[:1]) for cell in cells]


def combined(cells: list[tuple[int, ...]], strength: int) -> set[tuple[int, ...]]:
    return {values for cell in cells for values in combinations(sorted(cell), strength)}


@given(
    selectable=st.sets(st.sampled_from([*GRID, *(cell[:3] for cell in GRID)]), min_size=1),
    cover=st.sampled_from(list(STRENGTHS)),
)
def test_every_possible_combination_is_covered_and_no_cell_is_superfluous(
    selectable: set[tuple[int, ...]], cover: Cover
) -> None:
    cells, strength = sorted(selectable), STRENGTHS[cover]
    chosen = [cells[number] for number in covering(candidates(cells), cover)]
    assert len(chosen) == len(set(chosen))
    assert combined(chosen, strength) == combined(cells, strength)
    for left_out in chosen:
        others = [cell for cell in chosen if cell != left_out]
        assert combined(others, strength) != combined(cells, strength)


@pytest.mark.parametrize(("cover", "most"), [(Cover.PAIRWISE, 12), (Cover.THREE_WISE, 36)])
def test_a_cover_is_near_the_smallest_that_there_is(cover: Cover, most: int) -> None:
    """Nine and 27 are the products of the largest axes, below which none can be."""
    same = [Candidate(values=cell, image=0, environment=0) for cell in GRID]
    assert len(covering(same, cover)) <= most


def test_all_is_every_cell() -> None:
    assert covering(candidates(list(GRID)), Cover.ALL) == list(range(len(GRID)))


def test_cells_of_an_image_that_is_chosen_come_first() -> None:
    """One image has every pair; a cover that does not look at images may take several."""
    every = [
        Candidate(values=values, image=image, environment=image)
        for values in product((0, 1), (2, 3), (4, 5))
        for image in range(20)
    ]
    assert len({every[number].image for number in covering(every, Cover.PAIRWISE)}) == 1


def test_combinations_are_counted_once() -> None:
    assert combination_count(candidates([(0, 3), (0, 3), (0, 4)]), 2) == 2


def pairs(cells: PlannedCells) -> set[tuple[tuple[str, str], ...]]:
    return {pair for item in cells for pair in combinations(sorted(item.cell.axes.items()), 2)}


def test_a_pairwise_plan_has_every_pair_of_the_whole_in_few_cells_on_few_images() -> None:
    project, axes = Project.load(ROOT), {"scenario": ("freed-state", "environ-walk")}
    whole = make_plan(project, Request(profile="full", axes=axes, offline=True))
    few = make_plan(project, Request(profile="full", axes=axes, offline=True, cover=Cover.PAIRWISE))
    assert pairs(few.plan.cells) == pairs(whole.plan.cells)
    assert len(few.plan.cells) * 4 < len(whole.plan.cells)
    assert len(few.specs) < len(whole.specs)
    covered = few.plan.covered
    assert covered is not None
    assert covered.combinations == covered.of == len(pairs(whole.plan.cells))
    assert (covered.cells, covered.selectable) == (len(few.plan.cells), len(whole.plan.cells))
    assert few.plan.deselected - whole.plan.deselected == covered.selectable - covered.cells


def test_a_profile_names_its_cover_and_a_flag_replaces_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("scenarios", "images"):
        copytree(ROOT / name, tmp_path / name)
    matrix = tmp_path / copy(ROOT / "matrix.yaml", tmp_path)
    matrix.write_text(re.sub("(    title: Everything)\n", "\\1\n    cover: pairwise\n", matrix.read_text()))
    plan = ["plan", "--project", str(tmp_path), "--profile", "full", "--scenario", "freed-state", "--offline"]
    assert main(plan) == 0
    said = r"pairwise: ([\d,]+) of \1 combinations of values, in ([\d,]+) of ([\d,]+) cells"
    found = re.search(said, capsys.readouterr().out)
    assert found
    assert main([*plan, "--cover", "all"]) == 0
    assert f"\n{found[3]} cells run" in capsys.readouterr().out
    matrix.write_text(matrix.read_text().replace("cover: pairwise", "cover: pairs"))
    assert main(plan) == 2
    assert re.search(r"matrix.yaml:\d+:\d+: .*'pairwise'", capsys.readouterr().err)
