"""matrix.yaml: the axes with their values, exclusions with reasons, and profiles."""

__lazy_modules__ = ("difflib",)

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pydantic import Field

from orchestrator.adapters import yamlfile
from orchestrator.adapters.suggest import nearest
from orchestrator.adapters.yamlfile import Document
from orchestrator.errors import ErrorList, InputError
from orchestrator.matrix.axes import Axes, check_axes, vocabulary
from orchestrator.matrix.expression import ARCH, ARCH_ALIASES, Aliases, Constant, Expression, parse
from orchestrator.matrix.packages import LatestOf, unknown_latest
from orchestrator.matrix.rules import Exclusion, ScenarioRules
from orchestrator.matrix.scenario_file import ExclusionFile
from orchestrator.matrix.scenario_names import find_scenarios
from orchestrator.matrix.scenarios import ScenarioSource
from orchestrator.model import ABSENT, AXIS_VALUE, STANDARD_AXES, Cover, ProbeKind, Scenario, Value

DEFAULTS: Final = Path(__file__).with_name("defaults.yaml")
"""The defaults of a project's matrix.yaml: a file of the program, in the same form."""

HOST: Final = "host"
"""In a profile, the architecture of the machine that plans: what runs there without emulation."""


class ProfileFile(Value):
    """A named choice of cells: values by axis (flags replace them) and an expression (they do not)."""

    title: str = ""
    axes: dict[str, tuple[str, ...]] = {}
    select: str = "true"
    cover: Cover = Cover.ALL


class MatrixFile(Value):
    """The file as it is written."""

    schema_version: Literal[1] = Field(alias="schema")
    axes: dict[str, tuple[str, ...]] = {}
    exclude: tuple[ExclusionFile, ...] = ()
    profiles: dict[str, ProfileFile] = {}
    default_profile: str = ""


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A profile with its parsed expression."""

    name: str
    axes: Axes
    select: Expression
    select_text: str
    cover: Cover


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """A consistent matrix: every name in it is known, every expression parsed.

    `axes` are those of every cell; `vocabulary` has the scenarios' own as well. `aliases` are other names
    of values, for hints.
    """

    file: str
    axes: Axes
    probes_are_found: bool = False
    """Whether the probe axis comes from the scenarios, since the file does not state it."""
    vocabulary: Axes
    aliases: Aliases
    scenarios: Mapping[str, Scenario]
    rules: Mapping[str, ScenarioRules]
    exclusions: tuple[Exclusion, ...]
    profiles: Mapping[str, Profile]
    default_profile: str


def load_matrix(
    path: Path,
    scenarios: Path,
    aliases: Aliases = ARCH_ALIASES,
    latest_of: LatestOf = unknown_latest,
) -> Matrix:
    """Load matrix.yaml and its scenarios, which lie in the folder `scenarios`.

    Missing parts come from DEFAULTS; without a scenario axis every scenario of the folder is on it.
    `latest_of` returns the latest version of a package.

    Raises MultipleInputError with file, line and column for everything that is wrong in them. Expressions are
    checked only if all axes that they may name could be read.
    """
    errors = ErrorList()
    document, defaults = yamlfile.read(path, MatrixFile, errors), yamlfile.read(DEFAULTS, MatrixFile)
    own = document.value.axes
    _check_matrix_axes(document, errors, aliases)
    stated = own["scenario"] if "scenario" in own else find_scenarios(scenarios)
    names = [name for name in dict.fromkeys(stated) if AXIS_VALUE.fullmatch(name)]
    sources = [
        source for name in names if (source := ScenarioSource.read(scenarios, name, errors, latest_of))
    ]
    axes = _sorted_axes({**defaults.value.axes, "scenario": stated, "probe": _probes(sources), **own})
    for source in sources:
        source.check(axes, aliases)
    if len(sources) < len(names):
        errors.raise_all()
    words = vocabulary(axes, (source.axes for source in sources))
    if any(source.probes == {ABSENT} for source in sources):
        words["probe"] = tuple(dict.fromkeys((*words["probe"], ABSENT)))
    rules = {source.name: source.rules(axes, aliases) for source in sources}
    reader = _MatrixReader(document, words, aliases, errors)
    shipped = _MatrixReader(defaults, words, aliases, errors)
    exclusions, profiles = reader.exclusions(), {**shipped.profiles(), **reader.profiles()}
    reader.check_default_profile(profiles)
    errors.raise_all()
    return Matrix(
        file=document.file,
        axes=axes,
        probes_are_found="probe" not in own,
        vocabulary=words,
        aliases=aliases,
        scenarios={source.name: source.scenario() for source in sources},
        rules=rules,
        exclusions=exclusions,
        profiles=profiles,
        default_profile=document.value.default_profile or defaults.value.default_profile,
    )


def _sorted_axes(axes: Axes) -> dict[str, tuple[str, ...]]:
    """Standard axes first, so that every cell names its axes in one order."""
    own = [axis for axis in axes if axis not in STANDARD_AXES]
    return {axis: axes[axis] for axis in (*STANDARD_AXES, *own)}


def _probes(sources: Iterable[ScenarioSource]) -> tuple[str, ...]:
    """The probes that the scenarios have, in the order of their kinds; `none` of those without any."""
    found = {probe for source in sources for probe in source.probes}
    return tuple(probe for probe in (*map(str, ProbeKind), ABSENT) if probe in found)


def _check_matrix_axes(document: Document[MatrixFile], errors: ErrorList, aliases: Aliases) -> None:
    """Add what is wrong in the axes; raise all errors where an axis may be a standard one, misspelt."""
    axes = document.value.axes
    check_axes(document, axes, errors, aliases)
    if "axes" in document.broken:
        errors.raise_all()
    missing = [axis for axis in STANDARD_AXES if axis not in axes]
    misspelt = [axis for axis in axes if axis not in STANDARD_AXES and _is_near(axis, missing)]
    for axis in misspelt:
        what = f"axis {axis!r} is near to a standard one that is not here"
        where = document.where("axes", axis)
        errors.add(InputError(what, where=where, hint=f"{nearest(axis, missing)} Else give it another name"))
    if misspelt:
        errors.raise_all()


def _is_near(axis: str, missing: list[str]) -> bool:
    return bool(difflib.get_close_matches(axis, missing, n=1, cutoff=0.8))


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
        for name in self.document.value.profiles:
            if not AXIS_VALUE.fullmatch(name):
                what, place = f"{name[:80]!r} cannot name a profile", self.document.where("profiles", name)
                hint = "use up to 64 letters, digits, . _ and -: a run's folder is named by it"
                self.errors.add(InputError(what, where=place, hint=hint))
        return {name: self._profile(name, entry) for name, entry in self.document.value.profiles.items()}

    def check_default_profile(self, profiles: Iterable[str]) -> None:
        default, document = self.document.value.default_profile, self.document
        if {"default_profile", "profiles"} & document.broken or ("profiles", default) in document.left_out:
            return
        if ("default_profile",) in document.nodes and default not in profiles:
            what = f"default_profile names no profile: {default!r}"
            hint = nearest(default, profiles)
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
                if value not in known and (axis, value) != (ARCH, HOST):
                    place = self.document.where("profiles", name, "axes", axis, index)
                    hint = nearest(value, known, self.aliases.get(axis))
                    self.errors.add(InputError(f"{axis} has no value {value!r}", where=place, hint=hint))
        select = self._parsed(entry.select, "profiles", name, "select")
        return Profile(name=name, axes=entry.axes, select=select, select_text=entry.select, cover=entry.cover)

    def _parsed(self, text: str, *place: str | int) -> Expression:
        with self.errors.collect():
            return parse(text, self.words, self.document.text_start(*place), self.aliases)
        return Constant(False)
