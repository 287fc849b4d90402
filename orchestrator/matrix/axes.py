"""Axes as people write them, in matrix.yaml and in a scenario.yaml: names and values, checked once."""

import keyword
from collections.abc import Iterable, Mapping
from functools import partial
from itertools import pairwise
from typing import Any, Final

from orchestrator.adapters.suggest import nearest
from orchestrator.adapters.yamlfile import Document
from orchestrator.errors import ErrorList, InputError
from orchestrator.instruments import INSTRUMENTS
from orchestrator.matrix.expression import ARCH, WORDS, Aliases
from orchestrator.model import (
    ABSENT,
    AXIS_NAME,
    AXIS_VALUE,
    INSTRUMENT,
    MATRIX_ARCHES,
    MITIGATION,
    VERSION_AXES,
    is_version,
    version_key,
)

RESERVED: Final = frozenset({*WORDS, *keyword.kwlist})
"""Words that no axis may be called: Python's, whose parser reads expressions, and the language's own."""

Axes = Mapping[str, tuple[str, ...]]


def check_axes(document: Document[Any], axes: Axes, errors: ErrorList, aliases: Aliases) -> None:
    """Add what is wrong in the axes under `axes` of a file to the errors, with the places."""
    for axis, values in axes.items():
        place = document.where("axes", axis)
        if not AXIS_NAME.fullmatch(axis):
            hint = "use small letters, digits and _"
            errors.add(InputError(f"{axis!r} cannot name an axis", where=place, hint=hint))
        if axis in RESERVED:
            what = f"{axis!r} cannot name an axis, since expressions could not name it"
            errors.add(InputError(what, where=place, hint="choose another word"))
        if not values:
            errors.add(InputError(f"axis {axis!r} has no values", where=place, hint="list at least one"))
        _check_values(document, axis, values, errors, aliases.get(axis, {}))


def vocabulary(axes: Axes, own: Iterable[Axes]) -> dict[str, tuple[str, ...]]:
    """All axes of a project with their values: the matrix's, then its scenarios' own.

    An axis that not every cell has also has the value `none`, which cells without it have. The product's own
    axes, `mitigation` and `instrument`, are known even where no cell has them.
    """
    words = {MITIGATION: (ABSENT,), INSTRUMENT: (ABSENT,)} | dict(axes)
    for scenario_axes in own:
        for axis, values in scenario_axes.items():
            words[axis] = tuple(dict.fromkeys((ABSENT, *words.get(axis, ()), *values)))
    return words


def _check_values(
    document: Document[Any],
    axis: str,
    values: tuple[str, ...],
    errors: ErrorList,
    aliases: Mapping[str, str],
) -> None:
    for index, value in enumerate(values):
        place = document.where("axes", axis, index)
        if value in values[:index]:
            errors.add(InputError(f"{axis}: duplicate {value!r}", where=place, hint="remove one"))
        elif found := _refusal(axis, value, aliases):
            what, hint = found
            errors.add(InputError(what, where=place, hint=hint))
    if axis in VERSION_AXES:
        _check_same_version(document, axis, values, errors)


def _refusal(axis: str, value: str, aliases: Mapping[str, str]) -> tuple[str, str] | None:
    """Why an axis cannot have a value, and the next step; None where it can."""
    if axis in VERSION_AXES and not is_version(axis, value):
        named = aliases.get(value.lower())
        hint = f'did you mean "{named}", which {value} has?' if named else 'write a version such as "3.13"'
        return f"{axis}: {value[:80]!r} is not a version", hint
    if not AXIS_VALUE.fullmatch(value):
        return (
            f"{axis}: {value[:80]!r} cannot be a value",
            "use letters, digits, '.', '_' and '-', 64 at most",
        )
    if axis == ARCH and value not in MATRIX_ARCHES:
        return f"arch: {value!r} is not supported", nearest(value, map(str, MATRIX_ARCHES), aliases)
    if axis == INSTRUMENT and value not in (ABSENT, *INSTRUMENTS):
        return f"no instrument is called {value!r}", nearest(value, (ABSENT, *INSTRUMENTS))
    return None


def _check_same_version(
    document: Document[Any], axis: str, values: tuple[str, ...], errors: ErrorList
) -> None:
    """Refuse 3.9 beside 3.9.0, which are one version under two names."""
    key = partial(version_key, axis)
    versions = sorted(dict.fromkeys(value for value in values if is_version(axis, value)), key=key)
    for one, other in pairwise(versions):
        if key(one) == key(other):
            what = f"{axis}: {one!r} and {other!r} are the same version"
            where = document.where("axes", axis, values.index(other))
            errors.add(InputError(what, hint="remove one", where=where))
