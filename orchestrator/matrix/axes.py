"""Axes as people write them, in matrix.yaml and in a scenario.yaml: names and values, checked once."""

import keyword
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any, Final

from packaging.version import Version

from orchestrator.adapters.yamlfile import Document, nearest
from orchestrator.errors import InputError
from orchestrator.instruments import INSTRUMENTS
from orchestrator.matrix.expression import WORDS
from orchestrator.model import (
    ABSENT,
    AXIS_NAME,
    AXIS_VALUE,
    INSTRUMENT,
    MITIGATION,
    VERSION_AXES,
    VERSION_VALUE,
    Scenario,
)

RESERVED: Final = frozenset({*WORDS, *keyword.kwlist})
"""Words that no axis may be called: Python's, whose parser reads expressions, and the language's own."""

Axes = Mapping[str, tuple[str, ...]]


def check_axes(document: Document[Any], axes: Axes) -> None:
    """Check the axes that stand under `axes` of a file; raises InputError with the place."""
    for axis, values in axes.items():
        place = document.where("axes", axis)
        if not AXIS_NAME.fullmatch(axis):
            raise InputError(
                f"{axis!r} cannot name an axis", where=place, hint="use small letters, digits and _"
            )
        if axis in RESERVED:
            raise InputError(
                f"{axis!r} cannot name an axis, since expressions could not name it",
                where=place,
                hint="choose another word",
            )
        if not values:
            raise InputError(f"axis {axis!r} has no values", where=place, hint="list at least one")
        _check_values(document, axis, values)


def vocabulary(axes: Axes, scenarios: Iterable[Scenario]) -> dict[str, tuple[str, ...]]:
    """All axes of a project with their values: the matrix's, then those of its scenarios' own.

    An axis that not every cell has also has the value `none`, as the cells without it read. Those of
    the product, `mitigation` and `instrument`, are known also where nothing has them.
    """
    words = {MITIGATION: (ABSENT,), INSTRUMENT: (ABSENT,)} | dict(axes)
    for scenario in scenarios:
        for axis, values in scenario.axes.items():
            words[axis] = tuple(dict.fromkeys((ABSENT, *words.get(axis, ()), *values)))
    return words


def _check_values(document: Document[Any], axis: str, values: tuple[str, ...]) -> None:
    for index, value in enumerate(values):
        place = document.where("axes", axis, index)
        if axis in VERSION_AXES and not VERSION_VALUE.fullmatch(value):
            raise InputError(
                f"{axis}: {value[:80]!r} is not a version", where=place, hint='write a version such as "3.13"'
            )
        if not AXIS_VALUE.fullmatch(value):
            raise InputError(
                f"{axis}: {value[:80]!r} cannot be a value",
                where=place,
                hint="use letters, digits, '.', '_' and '-', 64 at most",
            )
        if axis == INSTRUMENT and value not in (ABSENT, *INSTRUMENTS):
            raise InputError(
                f"no instrument is called {value!r}", where=place, hint=nearest(value, (ABSENT, *INSTRUMENTS))
            )
        if value in values[:index]:
            raise InputError(f"{axis}: {value!r} stands here twice", where=place, hint="keep one of the two")
    if axis in VERSION_AXES:
        _check_same_version(document, axis, values)


def _check_same_version(document: Document[Any], axis: str, values: tuple[str, ...]) -> None:
    """Refuse 3.9 beside 3.9.0, which are one version under two names."""
    for one, other in pairwise(sorted(values, key=Version)):
        if Version(one) == Version(other):
            raise InputError(
                f"{axis}: {one!r} and {other!r} are the same version",
                hint="keep one of the two",
                where=document.where("axes", axis, values.index(other)),
            )
