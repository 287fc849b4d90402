"""The three kinds of axis of a bisection: an axis of the matrix, versions of a package, commits."""

from __future__ import annotations

__lazy_modules__ = ("orchestrator",)

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from orchestrator import packages
from orchestrator.adapters import files, git
from orchestrator.adapters.suggest import nearest
from orchestrator.errors import InputError, errors_at
from orchestrator.matrix import Request
from orchestrator.model import (
    ABSENT,
    COMMIT,
    PackageAxis,
    Scenario,
    UserCode,
    orders_as_version,
    version_key,
)
from orchestrator.pipeline.along import RANGE, Along, Others, best_of, chosen, groups_of, with_code
from orchestrator.pipeline.planning import make_plan
from orchestrator.pipeline.projects import Project
from orchestrator.pipeline.requirements import Requirements
from orchestrator.supervisor.targets import DRIVER

COMMITS: Final = "commits"
STATES: Final = ".crashmatrix/commits"
"""The folder of a project in which the files of commits lie while a bisection builds them."""
PACKAGE: Final = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,62}")
MOST: Final = 10_000
"""Commits of a range at most."""


def find_along(project: Project, request: Request, scenario: str, axis: str, text: str | None) -> Along:
    """The values along an axis, or those of them that `text` names (`A..B`, or `A,B,C`).

    Raises InputError for an axis that has no order or that the scenario does not have.
    """
    if scenario not in project.scenarios:
        raise InputError(f"there is no scenario {scenario!r}", hint=nearest(scenario, project.scenarios))
    found, request = (
        project.scenarios[scenario],
        replace(request, axes={**request.axes, "scenario": (scenario,)}),
    )
    if axis in (COMMITS, COMMIT):
        return _commits(project, request, found, text)
    known = {**project.matrix.axes, **found.axes}
    package = _package(found, axis)
    if package is None and axis in known:
        return _plain(project, request, found, axis, text)
    if found.code is None or not PACKAGE.fullmatch(axis):
        named = (*known, COMMITS)
        raise InputError(f"--along: {scenario} has no axis {axis!r}", hint=nearest(axis, named))
    return _versions(project, request, found, package or _new_package(axis), text)


def _package(scenario: Scenario, name: str) -> PackageAxis | None:
    packages = scenario.code.packages if scenario.code else ()
    return next((item for item in packages if name in (item.axis, item.distribution)), None)


def _new_package(name: str) -> PackageAxis:
    distribution = str(canonicalize_name(name))
    return PackageAxis(axis=distribution.replace("-", "_"), distribution=distribution, versions=())


def _plain(project: Project, request: Request, scenario: Scenario, axis: str, text: str | None) -> Along:
    """An axis of the matrix, or of the scenario, that orders as versions."""
    known = [value for value in project.matrix.vocabulary[axis] if value != ABSENT]
    if not orders_as_version(axis, known):
        ordered = (
            name for name, values in project.matrix.vocabulary.items() if orders_as_version(name, values)
        )
        hint = f"axes that have one: {', '.join(ordered)}"
        raise InputError(f"--along: {axis} has no order, its values are names", hint=hint)
    values = chosen(sorted(known, key=partial(version_key, axis)), text, axis)
    groups = groups_of(project, request, axis, values)
    if request.profile is None and (not groups or max(map(len, groups.values())) < 2):
        groups = groups_of(project, replace(request, profile="full"), axis, values) or groups
    if not groups:
        raise InputError(
            f"no cell of {scenario.name} has a value of {axis}", hint="widen the range or the flags"
        )
    fixed = best_of(project, groups, {others: len(found) for others, found in groups.items()})
    return Along(project=project, scenario=scenario.name, axis=axis, values=values, fixed=fixed)


def _versions(
    project: Project,
    request: Request,
    scenario: Scenario,
    package: PackageAxis,
    text: str | None,
) -> Along:
    """The releases of a package: those of the index between the first and the last that is listed."""
    code = scenario.code or UserCode(kind=DRIVER, file=scenario.driver)
    others = code.model_copy(update={"packages": tuple(item for item in code.packages if item != package)})
    without = with_code(project, scenario, others)
    flags = {axis: values for axis, values in request.axes.items() if axis != package.axis}
    # Environments that can have the scenario's other packages.
    planned = make_plan(without, replace(request, axes=flags), listing=True)
    groups: dict[Others, str | None] = {
        tuple(item.cell.axes.items()): item.lock for item in planned.plan.cells
    }
    releases = _releases(project, request, package, groups)
    every = sorted({*next(iter(releases.values())), *package.versions}, key=Version)
    values = chosen(every, _range(package.versions) if text is None else text, package.axis)
    score = {
        group: sum(known.get(value, "") is None for value in values) for group, known in releases.items()
    }
    fixed = best_of(project, groups, score)
    if package not in code.packages:
        lock = groups[tuple(fixed.items())]
        _check_installed(scenario.name, package, planned.locks[lock].pins if lock else {})
    asked = others.model_copy(
        update={
            "packages": (*others.packages, package.model_copy(update={"versions": values})),
            "requires": tuple(_without_pin(code.requires, package.distribution)),
        }
    )
    known = releases[tuple(fixed.items())]
    return Along(
        project=with_code(without, without.scenarios[scenario.name], asked),
        scenario=scenario.name,
        axis=package.axis,
        values=values,
        fixed=fixed,
        skipped={value: reason for value in values if (reason := known.get(value))},
    )


def _releases(
    project: Project, request: Request, package: PackageAxis, groups: Iterable[Others]
) -> dict[Others, dict[str, str | None]]:
    """For each environment the releases, with why one has no wheel there; offline, those that are listed."""
    if request.offline:
        return {group: dict.fromkeys(package.versions) for group in groups}
    requirements = Requirements(catalogue=project.catalogue, root=project.root)
    resolver = packages.Resolver(folder=project.root)
    build = request.build_missing
    releases_for = cache(
        lambda platform: resolver.releases(package.distribution, platform, build_missing=build)
    )
    with errors_at(next(iter(package.places), None)):
        return {group: releases_for(requirements.platform(dict(group))) for group in groups}


def _range(listed: Sequence[str]) -> str | None:
    return f"{listed[0]}..{listed[-1]}" if len(listed) > 1 else None


def _check_installed(scenario: str, package: PackageAxis, pins: Mapping[str, str]) -> None:
    """Raise InputError for a package that the scenario does not install: it would change the test."""
    if package.distribution not in pins:
        what = f"--along: {scenario} neither requires {package.distribution} nor installs it"
        raise InputError(what, hint=nearest(package.distribution, pins))


def _without_pin(requires: Iterable[str], distribution: str) -> Iterator[str]:
    """Requirements that leave the version of a distribution open."""
    for text in requires:
        plain = text.partition(" --hash=")[0]
        try:
            requirement = Requirement(plain)
        except ValueError:
            yield text  # a wheel's path
            continue
        if canonicalize_name(requirement.name) != distribution:
            yield text
        elif requirement.extras:
            yield f"{requirement.name}[{','.join(sorted(requirement.extras))}]"


def _commits(project: Project, request: Request, scenario: Scenario, text: str | None) -> Along:
    """The commits of the repository of a scenario's own package."""
    code = scenario.code
    if code is None or code.source is None:
        raise InputError(
            f"--along commits: {scenario.name} has no `source:`", hint="commits are those of what it builds"
        )
    match = RANGE.fullmatch(text or "")
    if match is None or not match["first"]:
        raise InputError("--along commits: a range is missing", hint="write --along commits GOOD..BAD")
    source = Path(code.source)
    found = git.commits(source, match["first"], match["last"] or "HEAD")
    if len(found) > MOST:
        raise InputError(f"--along commits: {text} has {len(found):,} commits", hint=f"{MOST:,} at most")
    # A local version orders by its number first, and an id names the commit.
    values = [f"{number}+g{commit.sha[:12]}" for number, commit in enumerate(found)]
    states = project.root.resolve() / STATES
    revisions = {value: str(states / value) for value in values}
    groups = groups_of(project, request, None)
    fixed = best_of(project, groups, dict.fromkeys(groups, 0))
    return Along(
        project=with_code(project, scenario, code.model_copy(update={"revisions": revisions})),
        scenario=scenario.name,
        axis=COMMIT,
        values=tuple(values),
        fixed=fixed,
        titles={value: commit.title for value, commit in zip(values, found, strict=True)},
        states=states,
    )


def prepare(along: Along, value: str) -> None:
    """Write the files of a commit to the folder that its cell's package is built from."""
    scenario = along.project.scenarios[along.scenario]
    if along.states is None or scenario.code is None or scenario.code.source is None:
        return
    place = along.states / value
    if not place.exists():
        git.write_files(Path(scenario.code.source), value.partition("+g")[2], place)


def clear(along: Along) -> None:
    """Remove the files of commits."""
    if along.states is not None:
        files.remove_tree(along.states, "files of commits")
