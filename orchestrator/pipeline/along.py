"""The values of an axis that a bisection can test, in order, and the environment of the test."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Final

from packaging.version import InvalidVersion

from orchestrator.adapters.suggest import nearest
from orchestrator.errors import InputError
from orchestrator.matrix import Request
from orchestrator.model import ABSENT, COMMIT, STANDARD_AXES, Cell, Scenario, UserCode, version_key
from orchestrator.pipeline.planning import select_cells
from orchestrator.pipeline.projects import Project

RANGE: Final = re.compile(r"(?P<first>.*?)\.\.(?P<last>.*)")
Others = tuple[tuple[str, str], ...]
"""An environment: the values of all axes but the bisected one."""


@dataclass(frozen=True, kw_only=True)
class Along:
    """The question of a bisection: the `values` of `axis` in order, in the `fixed` environment."""

    project: Project
    scenario: str
    axis: str
    values: tuple[str, ...]
    fixed: Mapping[str, str]
    skipped: Mapping[str, str] = field(default_factory=dict)
    """Why some values cannot be tested, as far as known."""
    titles: Mapping[str, str] = field(default_factory=dict)
    """The words for values that are only numbers."""
    states: Path | None = None
    """The folder with the files of commits."""

    def cell(self, value: str) -> Cell:
        """The cell of a value."""
        return Cell.from_axes({**self.fixed, self.axis: value})

    @property
    def environment(self) -> str:
        """The id of the cells without scenario and value."""
        axes = {name: value for name, value in self.fixed.items() if name != self.axis}
        named = {"python": "py{}", "glibc": "glibc{}"}
        parts = [named.get(name, "{}").format(axes[name]) for name in STANDARD_AXES[1:] if name in axes]
        own = [
            f"+{name}={value}"
            for name, value in axes.items()
            if name not in STANDARD_AXES and value != ABSENT
        ]
        return "-".join(part for part in parts if part != ABSENT) + "".join(own)


def groups_of(
    project: Project, request: Request, axis: str | None, values: Sequence[str] = ()
) -> dict[Others, set[str]]:
    """The environments of the selected cells, each with those values of an axis that it has cells for."""
    axes = {**request.axes, axis: tuple(values)} if axis else request.axes
    try:
        selection = select_cells(project, replace(request, axes=axes))[1]
    except InputError:
        if axis is None or request.profile != "full":
            raise
        return {}
    groups: dict[Others, set[str]] = {}
    for item in selection.cells:
        others = {name: known for name, known in item.axes.items() if name != axis}
        for combination in product(*others.values()):
            key = tuple(zip(others, combination, strict=True))
            groups.setdefault(key, set()).update(item.axes.get(axis, ()) if axis else ())
    return groups


def best_of(project: Project, groups: Collection[Others], score: Mapping[Others, int]) -> dict[str, str]:
    """The environment in which most values can be tested; of several the simplest, in the matrix's order."""
    host = project.catalogue.host

    def order(others: Others) -> tuple[int, bool, int]:
        own = sum(value != ABSENT for name, value in others if name not in STANDARD_AXES)
        return -score[others], dict(others)["arch"] != host, own

    found: Others = min(groups, key=order)
    return dict(found)


def chosen(known: Sequence[str], text: str | None, axis: str) -> tuple[str, ...]:
    """The known values that `text` names, in order."""
    if text is None:
        return tuple(known)
    key = partial(version_key, axis)
    match = RANGE.fullmatch(text)
    try:
        if match:
            low, high = (key(match[end]) if match[end] else None for end in ("first", "last"))
            chosen = [
                value
                for value in known
                if (not low or low <= key(value)) and (not high or key(value) <= high)
            ]
            if not chosen:
                raise InputError(
                    f"--along: no {axis} lies in {text}", hint=f"there are {', '.join(known[-10:])}"
                )
            return tuple(chosen)
        wanted = {key(item.strip()): item.strip() for item in text.split(",")}
    except (InvalidVersion, ValueError) as error:
        raise InputError(
            f"--along: {text!r} names no {axis}", hint="write A..B, or versions with commas between"
        ) from error
    named = {key(value): value for value in known}
    for version, item in wanted.items():
        if version not in named:
            raise InputError(f"--along: there is no {axis} {item!r}", hint=nearest(item, known))
    return tuple(named[version] for version in sorted(wanted))


def with_code(project: Project, scenario: Scenario, code: UserCode) -> Project:
    """The project with a scenario of this code, whose axes of packages and commits follow."""
    gone = {item.axis for item in scenario.code.packages} if scenario.code else set()
    packages = {item.axis: item.versions for item in code.packages}
    commits = {COMMIT: tuple(code.revisions)} if code.revisions else {}
    axes = {name: known for name, known in scenario.axes.items() if name not in gone}
    changed = scenario.model_copy(update={"code": code, "axes": {**axes, **packages, **commits}})
    matrix = replace(
        project.matrix,
        scenarios={**project.matrix.scenarios, scenario.name: changed},
        vocabulary={
            **project.matrix.vocabulary,
            **{axis: (ABSENT, *known) for axis, known in (packages | commits).items()},
        },
    )
    return replace(project, matrix=matrix, scenarios=matrix.scenarios)
