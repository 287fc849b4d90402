"""matrix.yaml: the axes with their values, exclusions with reasons, and profiles."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from orchestrator.adapters import yamlfile
from orchestrator.adapters.yamlfile import Document, nearest
from orchestrator.errors import InputError
from orchestrator.matrix.axes import Axes, check_axes, vocabulary
from orchestrator.matrix.expression import Expression, parse
from orchestrator.matrix.scenario_file import ExclusionFile
from orchestrator.matrix.scenarios import load_scenarios
from orchestrator.model import STANDARD_AXES, Scenario, Value


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
    axes: Axes
    select: Expression
    select_text: str


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """A matrix that holds together: every name in it is known, every expression parsed.

    `axes` are those of every cell; `vocabulary` has those of the scenarios' own as well.
    """

    file: str
    axes: Axes
    vocabulary: Axes
    scenarios: Mapping[str, Scenario]
    exclusions: tuple[Exclusion, ...]
    profiles: Mapping[str, Profile]
    default_profile: str


def load_matrix(path: Path, scenarios: Path) -> Matrix:
    """Load matrix.yaml and the scenarios it names, which lie in the folder `scenarios`.

    Raises InputError with file, line and column for whatever is wrong in them.
    """
    document = yamlfile.read(path, MatrixFile)
    _check_matrix_axes(document)
    axes = _sorted_axes(document.value.axes)
    loaded = load_scenarios(scenarios, axes)
    words = vocabulary(axes, loaded.values())
    default = document.value.default_profile
    if default not in document.value.profiles:
        raise InputError(
            f"default_profile names no profile: {default!r}",
            where=document.where("default_profile"),
            hint=nearest(default, document.value.profiles),
        )
    return Matrix(
        file=document.file,
        axes=axes,
        vocabulary=words,
        scenarios=loaded,
        exclusions=tuple(_exclusion(document, words, index) for index in range(len(document.value.exclude))),
        profiles={name: _profile(document, words, name) for name in document.value.profiles},
        default_profile=default,
    )


def _exclusion(document: Document[MatrixFile], words: Axes, index: int) -> Exclusion:
    entry = document.value.exclude[index]
    return Exclusion(
        when=parse(entry.when, words, document.text_start("exclude", index, "when")),
        reason=entry.reason,
        where=str(document.where("exclude", index)),
    )


def _sorted_axes(axes: Axes) -> dict[str, tuple[str, ...]]:
    """Standard axes first, so that every cell names its axes in one order."""
    own = [axis for axis in axes if axis not in STANDARD_AXES]
    return {axis: axes[axis] for axis in (*STANDARD_AXES, *own)}


def _check_matrix_axes(document: Document[MatrixFile]) -> None:
    axes = document.value.axes
    check_axes(document, axes)
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
            hint="every matrix has " + ", ".join(STANDARD_AXES),
        )


def _profile(document: Document[MatrixFile], axes: Axes, name: str) -> Profile:
    entry = document.value.profiles[name]
    for axis, values in entry.axes.items():
        place = document.where("profiles", name, "axes", axis)
        if axis not in axes:
            raise InputError(f"unknown axis {axis!r}", where=place, hint=nearest(axis, axes))
        for index, value in enumerate(values):
            if value not in axes[axis]:
                raise InputError(
                    f"{axis} has no value {value!r}",
                    hint=nearest(value, axes[axis]),
                    where=document.where("profiles", name, "axes", axis, index),
                )
    select = parse(entry.select, axes, document.text_start("profiles", name, "select"))
    return Profile(name=name, axes=entry.axes, select=select, select_text=entry.select)
