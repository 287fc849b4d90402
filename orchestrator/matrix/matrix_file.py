"""matrix.yaml: the axes with their values, exclusions with reasons, and profiles."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from orchestrator.adapters import yamlfile
from orchestrator.adapters.suggest import nearest
from orchestrator.adapters.yamlfile import Document
from orchestrator.errors import ErrorList, InputError
from orchestrator.matrix.axes import Axes, check_axes, vocabulary
from orchestrator.matrix.expression import ARCH_ALIASES, Aliases, Constant, Expression, parse
from orchestrator.matrix.rules import Exclusion, ScenarioRules
from orchestrator.matrix.scenario_file import ExclusionFile
from orchestrator.matrix.scenarios import ScenarioSource
from orchestrator.model import AXIS_VALUE, STANDARD_AXES, Scenario, Value


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
class Profile:
    """A profile with its parsed expression."""

    name: str
    axes: Axes
    select: Expression
    select_text: str


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """A matrix that holds together: every name in it is known, every expression parsed.

    `axes` are those of every cell; `vocabulary` has the scenarios' own as well. `aliases` are other names
    of values, for hints.
    """

    file: str
    axes: Axes
    vocabulary: Axes
    aliases: Aliases
    scenarios: Mapping[str, Scenario]
    rules: Mapping[str, ScenarioRules]
    exclusions: tuple[Exclusion, ...]
    profiles: Mapping[str, Profile]
    default_profile: str


def load_matrix(path: Path, scenarios: Path, aliases: Aliases = ARCH_ALIASES) -> Matrix:
    """Load matrix.yaml and the scenarios it names, which lie in the folder `scenarios`.

    Raises MultipleInputError with file, line and column for everything that is wrong in them. Expressions are
    checked only if all axes that they may name could be read.
    """
    errors = ErrorList()
    document = yamlfile.read(path, MatrixFile, errors)
    _check_matrix_axes(document, errors, aliases)
    axes = _sorted_axes(document.value.axes)
    names = [name for name in dict.fromkeys(axes["scenario"]) if AXIS_VALUE.fullmatch(name)]
    sources = [source for name in names if (source := ScenarioSource.read(scenarios, name, errors))]
    for source in sources:
        source.check(axes, aliases)
    if len(sources) < len(names):
        errors.raise_all()
    words = vocabulary(axes, (source.axes for source in sources))
    rules = {source.name: source.rules(axes, aliases) for source in sources}
    reader = _MatrixReader(document, words, aliases, errors)
    exclusions, profiles = reader.exclusions(), reader.profiles()
    reader.check_default_profile()
    errors.raise_all()
    return Matrix(
        file=document.file,
        axes=axes,
        vocabulary=words,
        aliases=aliases,
        scenarios={source.name: source.scenario() for source in sources},
        rules=rules,
        exclusions=exclusions,
        profiles=profiles,
        default_profile=document.value.default_profile,
    )


def _sorted_axes(axes: Axes) -> dict[str, tuple[str, ...]]:
    """Standard axes first, so that every cell names its axes in one order."""
    own = [axis for axis in axes if axis not in STANDARD_AXES]
    return {axis: axes[axis] for axis in (*STANDARD_AXES, *own)}


def _check_matrix_axes(document: Document[MatrixFile], errors: ErrorList, aliases: Aliases) -> None:
    """Add what is wrong in the axes; raise all errors where a standard axis is missing."""
    axes = document.value.axes
    check_axes(document, axes, errors, aliases)
    if "axes" in document.broken:
        errors.raise_all()
    missing = [axis for axis in STANDARD_AXES if axis not in axes]
    for axis in missing:
        near = [other for other in axes if other not in STANDARD_AXES and _is_near(other, missing)]
        hint = f" (is {near[0]!r} meant to be it?)" if near else ""
        errors.add(
            InputError(
                f"axis {axis!r} is missing{hint}",
                where=document.where("axes"),
                hint="every matrix has " + ", ".join(STANDARD_AXES),
            )
        )
    if missing:
        errors.raise_all()


def _is_near(axis: str, missing: list[str]) -> bool:
    return nearest(axis, missing).startswith("did you mean")


@dataclass(frozen=True)
class _MatrixReader:
    """Reads exclusions and profiles; their mistakes go to `errors`."""

    document: Document[MatrixFile]
    words: Axes
    aliases: Aliases
    errors: ErrorList

    def exclusions(self) -> tuple[Exclusion, ...]:
        for text, place in self.document.texts_left_out("exclude", "when"):
            with self.errors.collect():
                parse(text, self.words, place, self.aliases)
        return tuple(
            Exclusion(
                when=self._parsed(item.when, "exclude", index, "when"),
                reason=item.reason,
                where=str(self.document.where("exclude", index)),
            )
            for index, item in enumerate(self.document.value.exclude)
        )

    def profiles(self) -> dict[str, Profile]:
        return {name: self._profile(name, entry) for name, entry in self.document.value.profiles.items()}

    def check_default_profile(self) -> None:
        default, document = self.document.value.default_profile, self.document
        if {"default_profile", "profiles"} & document.broken or ("profiles", default) in document.left_out:
            return
        if default not in document.value.profiles:
            what = f"default_profile names no profile: {default!r}"
            hint = nearest(default, document.value.profiles)
            self.errors.add(InputError(what, where=document.where("default_profile"), hint=hint))

    def _profile(self, name: str, entry: ProfileFile) -> Profile:
        for axis, values in entry.axes.items():
            known = self.words.get(axis)
            if known is None:
                place = self.document.where("profiles", name, "axes", axis)
                hint = nearest(axis, self.words)
                self.errors.add(InputError(f"unknown axis {axis!r}", where=place, hint=hint))
                continue
            for index, value in enumerate(values):
                if value not in known:
                    place = self.document.where("profiles", name, "axes", axis, index)
                    hint = nearest(value, known, self.aliases.get(axis))
                    self.errors.add(InputError(f"{axis} has no value {value!r}", where=place, hint=hint))
        select = self._parsed(entry.select, "profiles", name, "select")
        return Profile(name=name, axes=entry.axes, select=select, select_text=entry.select)

    def _parsed(self, text: str, *place: str | int) -> Expression:
        with self.errors.collect():
            return parse(text, self.words, self.document.text_start(*place), self.aliases)
        return Constant(False)
