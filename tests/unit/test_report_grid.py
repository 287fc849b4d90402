"""The axes that the grid opens with: those that make the difference stand outermost."""

from itertools import product

import pytest

from orchestrator.model import Cell
from orchestrator.report.grid import SQUARES, first_view

AXES = {
    "scenario": ("s", "t"),
    "python": ("3.9", "3.13"),
    "glibc": ("2.31", "2.41"),
    "arch": ("x86_64", "arm64"),
    "launcher": ("plain", "uwsgi"),
    "probe": ("cpp", "rust"),
    "flags": ("O0", "O2"),
}


def cells(**axes: tuple[str, ...]) -> list[Cell]:
    whole = AXES | axes
    return [Cell.from_axes(dict(zip(whole, values, strict=True))) for values in product(*whole.values())]


@pytest.mark.parametrize(
    ("telling", "rows", "columns"),
    [
        ((), ["python", "glibc"], ["scenario", "launcher"]),
        (("glibc", "launcher"), ["glibc", "python"], ["launcher", "scenario"]),
        (("arch",), ["arch", "python"], ["scenario", "launcher"]),
        (("flags",), ["python", "glibc"], ["flags", "scenario"]),
        (("launcher", "probe", "flags"), ["flags", "python"], ["launcher", "probe"]),
        (("python", "glibc", "arch", "probe"), ["python", "glibc"], ["probe", "arch"]),
    ],
)
def test_the_rule_s_axes_come_first(telling: tuple[str, ...], rows: list[str], columns: list[str]) -> None:
    assert first_view(cells(), telling) == {"rows": rows, "columns": columns}


def test_axes_of_one_value_tell_nothing() -> None:
    one = {axis: values[:1] for axis, values in AXES.items()}
    assert first_view(cells(**one), ("glibc",)) == {"rows": ["scenario"], "columns": []}
    assert first_view(cells(**one | {"probe": ("cpp", "rust")}), ()) == {"rows": ["probe"], "columns": []}
    two = one | {"probe": ("cpp", "rust"), "launcher": ("plain", "uwsgi")}
    assert first_view(cells(**two), ("probe",)) == {"rows": ["launcher"], "columns": ["probe"]}


def test_what_would_be_too_many_squares_is_folded_the_rule_last() -> None:
    many = {"python": tuple(f"3.{minor}" for minor in range(30)), "flags": tuple(f"f{n}" for n in range(40))}
    view = first_view(cells(**many), ("flags", "python"))
    assert view["rows"][0] == "python"
    assert view["columns"] == ["flags"]
    assert SQUARES >= 30 * 40
