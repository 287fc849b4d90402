"""The axes that the grid offers and opens with: those that vary, merged where they change together."""

from itertools import product

import pytest

from orchestrator.model import Cell
from orchestrator.report.axes import shown_axes
from orchestrator.report.grid import COLUMNS, SQUARES, first_view
from orchestrator.report.picture import MOST, STEP, Matrix
from tests.unit import run_factory as factory

AXES = {
    "scenario": ("t", "s"),
    "python": ("3.9", "3.13"),
    "glibc": ("2.31", "2.41"),
    "arch": ("x86_64", "arm64"),
    "launcher": ("plain", "uwsgi"),
    "probe": ("cpp", "rust"),
    "flags": ("O0", "O2"),
}
ONE = {axis: values[:1] for axis, values in AXES.items()}


def cells(**axes: tuple[str, ...]) -> list[Cell]:
    whole = AXES | axes
    return [Cell.from_axes(dict(zip(whole, values, strict=True))) for values in product(*whole.values())]


def view(planned: list[Cell], telling: tuple[str, ...] = ()) -> tuple[list[str], list[str]]:
    found = first_view(shown_axes(planned, len(planned)), len(planned), telling)
    return list(found["rows"]), list(found["columns"])


@pytest.mark.parametrize(
    ("telling", "rows", "columns"),
    [
        ((), ["python", "glibc", "arch"], ["scenario", "launcher", "probe"]),
        (("glibc", "launcher"), ["glibc", "python", "arch"], ["scenario", "launcher", "probe"]),
        (("flags",), ["python", "glibc", "arch"], ["scenario", "flags", "launcher"]),
    ],
)
def test_environments_stand_down_and_the_scenario_first_across(
    telling: tuple[str, ...], rows: list[str], columns: list[str]
) -> None:
    assert view(cells(), telling) == (rows, columns)


def test_axes_of_one_value_are_not_offered() -> None:
    assert view(cells(**ONE)) == (["scenario"], [])
    assert view(cells(**ONE | {"probe": ("cpp", "rust")})) == (["probe"], [])
    two = ONE | {"probe": ("cpp", "rust"), "launcher": ("plain", "uwsgi")}
    assert view(cells(**two)) == (["probe"], ["launcher"])


def test_axes_that_change_together_are_one() -> None:
    planned = list(factory.smoke_cells())
    excluded = [item.cell for group in factory.smoke_excluded() for item in group.each()]
    axes = {axis.name: axis for axis in shown_axes([*planned, *excluded], len(planned))}
    assert list(axes) == ["python+glibc", "launcher", "probe"]
    merged = axes["python+glibc"]
    assert merged.label == "python / glibc"
    assert {"py3.9 / glibc 2.31", "py3.11 / glibc 2.36", "py3.9 / glibc 2.36"} <= set(merged.values)
    assert merged.values[merged.numbers[0]] == "py3.9 / glibc 2.31"
    assert merged.named[merged.numbers[0]] == "3.9"


def test_what_follows_from_the_scenario_is_not_said_beside_it() -> None:
    one, other = (cells(**ONE | {"scenario": (name,), "flags": (flag,)})[0] for name, flag in ("s0", "t2"))
    (axis,) = shown_axes([other, one], 2)
    assert (axis.name, axis.values) == ("scenario", ("t", "s"))


def test_what_would_be_too_many_squares_is_folded() -> None:
    many = {"python": tuple(f"3.{minor}" for minor in range(30)), "flags": tuple(f"f{n}" for n in range(40))}
    rows, columns = view(cells(**many), ("flags", "python"))
    assert rows[0] == "python"
    assert columns == ["scenario"]
    assert COLUMNS < 2 * 40
    wide = {"python": tuple(f"3.{minor}" for minor in range(5)), "glibc": tuple(f"2.{n}" for n in range(5))}
    rows, columns = view(cells(**wide))
    assert (rows, columns) == (["python", "glibc", "arch"], ["scenario", "launcher"])
    assert 5 * 5 * 2 * 2 * 2 <= SQUARES < 5 * 5 * 2 * 2 * 2 * 2


def test_a_picture_marks_exactly_the_cells_of_a_cause() -> None:
    planned = list(factory.smoke_cells())
    matrix = Matrix.of(planned)
    assert len(set(matrix.places.values())) == 12
    assert {y for _, y in matrix.places.values()} == {0, STEP, 2 * STEP}
    marks = matrix.marks([planned[0].id, "another/cell"])
    assert (marks.whole, marks.part) == ("M0 0h3v3h-3z", "")
    assert matrix.ground.count("M") == 12


def test_a_large_matrix_has_a_small_picture_in_which_a_part_is_told_from_all() -> None:
    planned = cells(flags=tuple(f"f{n}" for n in range(200)))
    matrix = Matrix.of(planned)
    assert matrix.width <= MOST[0] * STEP
    assert matrix.ground.count("M") <= MOST[0] * MOST[1]
    assert matrix.marks([planned[0].id]).part.count("M") == 1
    whole = matrix.marks([cell.id for cell in planned])
    assert (whole.part, whole.whole) == ("", matrix.ground)
