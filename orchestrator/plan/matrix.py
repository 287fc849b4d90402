"""matrix.yaml: the axes with their values, exclusions with reasons, and profiles."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Final, Literal

from packaging.version import Version
from pydantic import AfterValidator, Field

from orchestrator.errors import InputError
from orchestrator.model import AXIS_NAME, AXIS_VALUE, STANDARD_AXES, VERSION_AXES, VERSION_VALUE, Value
from orchestrator.plan.expression import Expression, parse
from orchestrator.tools import yamlfile
from orchestrator.tools.yamlfile import Document, nearest

RESERVED: Final = frozenset({"true", "false", "and", "or", "not", "in", "is", "if", "else", "lambda"})
"""Words of the expression language, which no axis may be called."""


def _reason(text: str) -> str:
    if not text.strip():
        raise ValueError("the reason is empty; say why these cells are left out")
    return text.strip()


class ExclusionFile(Value):
    """One entry of `exclude`: cells for which `when` holds do not run, because of `reason`."""

    when: str
    reason: Annotated[str, AfterValidator(_reason)]


class ProfileFile(Value):
    """A named choice of cells: values by axis (flags replace them) and an expression (they do not)."""

    title: str = ""
    axes: dict[str, tuple[str, ...]] = {}
    select: str = "true"


class MatrixFile(Value):
    """The file as it is written."""

    schema_version: Literal[1] = Field(alias="schema")
    axes: dict[str, tuple[str, ...]]
    exclude: tuple[ExclusionFile, ...] = ()
    profiles: dict[str, ProfileFile] = {}
    default_profile: str


@dataclass(frozen=True, kw_only=True)
class Exclusion:
    """An exclusion with its parsed expression and its place."""

    when: Expression
    reason: str
    where: str


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A profile with its parsed expression."""

    name: str
    axes: Mapping[str, tuple[str, ...]]
    select: Expression
    select_text: str


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """A matrix that holds together: every name in it is known, every expression parsed."""

    file: str
    axes: Mapping[str, tuple[str, ...]]
    exclusions: tuple[Exclusion, ...]
    profiles: Mapping[str, Profile]
    default_profile: str


def load_matrix(path: Path) -> Matrix:
    """Load matrix.yaml; raises InputError with file, line and column for whatever is wrong in it."""
    document = yamlfile.read(path, MatrixFile)
    _check_axes(document)
    axes = _sorted_axes(document.value.axes)
    exclusions = tuple(
        Exclusion(
            when=parse(entry.when, axes, document.text_start("exclude", index, "when")),
            reason=entry.reason,
            where=str(document.where("exclude", index)),
        )
        for index, entry in enumerate(document.value.exclude)
    )
    profiles = {name: _profile(document, axes, name) for name in document.value.profiles}
    default = document.value.default_profile
    if default not in profiles:
        raise InputError(
            f"default_profile names no profile: {default!r}",
            where=document.where("default_profile"),
            mend=nearest(default, profiles),
        )
    return Matrix(
        file=document.file, axes=axes, exclusions=exclusions, profiles=profiles, default_profile=default
    )


def _sorted_axes(axes: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Standard axes first, so that every cell names its axes in one order."""
    own = [axis for axis in axes if axis not in STANDARD_AXES]
    return {axis: axes[axis] for axis in (*STANDARD_AXES, *own)}


def _check_axes(document: Document[MatrixFile]) -> None:
    axes = document.value.axes
    for axis in axes:
        place = document.where("axes", axis)
        if not AXIS_NAME.fullmatch(axis) or axis in RESERVED:
            raise InputError(
                f"{axis!r} cannot name an axis", where=place, mend="use small letters, digits and _"
            )
        if not axes[axis]:
            raise InputError(f"axis {axis!r} has no values", where=place, mend="list at least one")
        _check_values(document, axis)
    missing = [axis for axis in STANDARD_AXES if axis not in axes]
    if missing:
        unknown = [axis for axis in axes if axis not in STANDARD_AXES]
        hint = next(
            (
                f" (is {axis!r} meant to be it?)"
                for axis in unknown
                if nearest(axis, missing).startswith("did you mean")
            ),
            "",
        )
        raise InputError(
            f"axis {missing[0]!r} is missing{hint}",
            where=document.where("axes"),
            mend="every matrix has " + ", ".join(STANDARD_AXES),
        )


def _check_values(document: Document[MatrixFile], axis: str) -> None:
    values = document.value.axes[axis]
    for index, value in enumerate(values):
        place = document.where("axes", axis, index)
        if axis in VERSION_AXES and not VERSION_VALUE.fullmatch(value):
            raise InputError(
                f"{axis}: {value[:80]!r} is not a version", where=place, mend='write a version such as "3.13"'
            )
        if not AXIS_VALUE.fullmatch(value):
            raise InputError(
                f"{axis}: {value[:80]!r} cannot be a value",
                where=place,
                mend="use letters, digits, '.', '_' and '-', 64 at most",
            )
        if value in values[:index]:
            raise InputError(f"{axis}: {value!r} stands here twice", where=place, mend="keep one of the two")
    if axis in VERSION_AXES:
        _check_same_version(document, axis, values)


def _check_same_version(document: Document[MatrixFile], axis: str, values: tuple[str, ...]) -> None:
    """Refuse 3.9 beside 3.9.0, which are one version under two names."""
    for one, other in pairwise(sorted(values, key=Version)):
        if Version(one) == Version(other):
            raise InputError(
                f"{axis}: {one!r} and {other!r} are the same version",
                mend="keep one of the two",
                where=document.where("axes", axis, values.index(other)),
            )


def _profile(document: Document[MatrixFile], axes: Mapping[str, tuple[str, ...]], name: str) -> Profile:
    entry = document.value.profiles[name]
    for axis, values in entry.axes.items():
        place = document.where("profiles", name, "axes", axis)
        if axis not in axes:
            raise InputError(f"unknown axis {axis!r}", where=place, mend=nearest(axis, axes))
        for index, value in enumerate(values):
            if value not in axes[axis]:
                raise InputError(
                    f"{axis} has no value {value!r}",
                    mend=nearest(value, axes[axis]),
                    where=document.where("profiles", name, "axes", axis, index),
                )
    select = parse(entry.select, axes, document.text_start("profiles", name, "select"))
    return Profile(name=name, axes=entry.axes, select=select, select_text=entry.select)
