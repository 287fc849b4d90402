"""Packages as axes: the versions that a scenario lists of a package, in the order of PEP 440."""

__lazy_modules__ = ("packaging",)

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from packaging import utils
from packaging.version import InvalidVersion, Version

from orchestrator.adapters.yamlfile import Document
from orchestrator.errors import ErrorList, InputError, Location, errors_at
from orchestrator.matrix.axes import RESERVED, Axes
from orchestrator.model import AXIS_NAME, AXIS_VALUE, INSTRUMENT, MITIGATION, STANDARD_AXES, PackageAxis

LATEST: Final = "latest"
"""The version that an index offers as the latest when a run is planned."""
LatestOf = Callable[[str], str]
"""The latest version of a distribution; raises InputError where it cannot be known."""
_SPECIFIER: Final = re.compile(r"[<>=!~,*\s]")
_TAKEN: Final = frozenset({*STANDARD_AXES, INSTRUMENT, MITIGATION})


def unknown_latest(distribution: str) -> str:
    """The resolver for callers without an index: raises InputError."""
    raise InputError(f"no index is asked for the latest {distribution}", hint="write its version")


def package_axes(
    document: Document[Any], axes: Axes, latest_of: LatestOf, errors: ErrorList
) -> tuple[PackageAxis, ...]:
    """The package axes of a scenario, whose other axes and those of the matrix are `axes`.

    Mistakes go to `errors`.
    """
    found: dict[str, PackageAxis] = {}
    for name, texts in document.value.packages.items():
        with errors.collect():
            axis = _axis_name(document, name, (*axes, *found))
            # The first place of a version: `latest` may be one that is listed.
            places = dict(reversed(list(_versions(document, name, texts, latest_of, errors))))
            versions = sorted(places)
            found[axis] = PackageAxis(
                axis=axis,
                distribution=utils.canonicalize_name(name),
                versions=tuple(map(str, versions)),
                places=tuple(places[version] for version in versions),
            )
    return tuple(found.values())


def _axis_name(document: Document[Any], name: str, taken: Sequence[str]) -> str:
    where = document.where("packages", name)
    try:
        axis = utils.canonicalize_name(name, validate=True).replace("-", "_")
    except utils.InvalidName as error:
        raise InputError(
            f"{name[:80]!r} is not the name of a package",
            where=where,
            hint="write it as an index does, without extras: those go to `requires`",
        ) from error
    if not AXIS_NAME.fullmatch(axis) or axis in RESERVED or axis in _TAKEN:
        raise InputError(
            f"the package {name[:80]!r} cannot be an axis: its name means something else in expressions",
            where=where,
            hint="name one version of it under `requires`",
        )
    if axis in taken:
        what = f"there is an axis {axis!r} already"
        raise InputError(what, where=where, hint="leave one of the two out")
    return axis


def _versions(
    document: Document[Any], name: str, texts: Sequence[str], latest_of: LatestOf, errors: ErrorList
) -> Iterator[tuple[Version, Location]]:
    """The versions and their places.

    One that is listed twice is a mistake, but `latest` may be one of the others.
    """
    if not texts:
        where = document.where("packages", name)
        raise InputError(f"package {name!r} has no versions", where=where, hint="list at least one")
    known: dict[Version, str] = {}
    for index, text in enumerate(texts):
        where = document.where("packages", name, index)
        with errors.collect(), errors_at(where):
            try:
                version = Version(latest_of(utils.canonicalize_name(name)) if text == LATEST else text)
            except InvalidVersion as error:
                ranges = _SPECIFIER.search(text)
                hint = (
                    "list versions, one by one" if ranges else 'write a version such as "1.70.0", or latest'
                )
                what = f"{name}: {text[:80]!r} is not a version"
                raise InputError(what, where=where, hint=hint) from error
            if not AXIS_VALUE.fullmatch(str(version)):
                what = f"{name}: {text[:80]!r} is too long for a value"
                raise InputError(what, where=where, hint="64 characters at most")
            if text != LATEST and version in known:
                what = f"{name}: {known[version]!r} and {text!r} are the same version"
                raise InputError(what, where=where, hint="remove one")
            if text != LATEST:
                known[version] = text
            yield version, where
