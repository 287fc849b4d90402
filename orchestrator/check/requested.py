"""The packages that a check is asked for: requirements, wheel files, source trees."""

from __future__ import annotations

__lazy_modules__ = ("packaging",)

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from packaging import requirements, utils

from orchestrator.errors import InputError, Location

BUILT: Final = "."
"""As a distribution's name: the one that is built from a source tree, whatever it calls itself."""
SHOWN: Final = 80


@dataclass(frozen=True, kw_only=True)
class RequestedPackage:
    """One package that is checked; `name` is that of its scenarios."""

    name: str
    distribution: str
    requirement: str = ""
    """As PEP 508 writes it; empty for a file or a folder."""
    wheel: Path | None = None
    source: Path | None = None
    version: str = ""
    """The version, if the user names exactly one."""


def requested_packages(texts: Iterable[str]) -> tuple[RequestedPackage, ...]:
    """The packages that the user names, each once; raises InputError."""
    found = list(dict.fromkeys(map(_requested, texts)))
    names = [item.name for item in found]
    return tuple(_apart(item, names) for item in found)


def _apart(package: RequestedPackage, names: list[str]) -> RequestedPackage:
    """The package, named with its version where another has its name."""
    if names.count(package.name) == 1:
        return package
    if not package.version:
        raise InputError(
            f"{package.name} is named twice, and not always by a version",
            hint=f"write for example {package.name}==1.0 {package.name}==2.0",
        )
    return replace(package, name=f"{package.name}-{package.version}".replace("+", "."))


def _requested(text: str) -> RequestedPackage:
    path = Path(text)
    if text.endswith(".whl"):
        return _wheel(path, text)
    if path.is_dir():
        return _source(path)
    try:
        wanted = requirements.Requirement(text)
    except requirements.InvalidRequirement as error:
        raise InputError(
            f"{text[:SHOWN]!r} is no requirement, no wheel file and no folder",
            hint="write for example grpcio==1.71.2, dist/package-1.0-cp311-abi3-linux_x86_64.whl, or .",
        ) from error
    exact = [item.version for item in wanted.specifier if item.operator == "=="]
    name = utils.canonicalize_name(wanted.name)
    return RequestedPackage(
        name=name, distribution=name, requirement=str(wanted), version=exact[0] if exact else ""
    )


def _wheel(path: Path, text: str) -> RequestedPackage:
    if not path.is_file():
        raise InputError("there is no such wheel", where=Location(file=text), hint="build it first")
    try:
        name, version, _, _ = utils.parse_wheel_filename(path.name)
    except utils.InvalidWheelFilename as error:
        raise InputError(
            "it is not named as a wheel",
            where=Location(file=text),
            hint="keep the name that its build gave it",
        ) from error
    return RequestedPackage(name=name, distribution=name, wheel=path.resolve(), version=str(version))


def _source(folder: Path) -> RequestedPackage:
    if not any((folder / name).is_file() for name in ("pyproject.toml", "setup.py")):
        raise InputError(
            "no pyproject.toml and no setup.py are there",
            where=Location(file=str(folder)),
            hint="name the folder that `pip install` would be given, a wheel file or a requirement",
        )
    name = _stated_name(folder) or folder.resolve().name
    try:
        called = utils.canonicalize_name(name, validate=True)
    except utils.InvalidName:
        called = utils.canonicalize_name("source")
    return RequestedPackage(name=called, distribution=BUILT, source=folder.resolve())


def _stated_name(folder: Path) -> str:
    try:
        project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8")).get("project", {})
    except (OSError, ValueError):
        return ""  # planning reads it again and reports the error
    name = project.get("name") if isinstance(project, dict) else None
    return name if isinstance(name, str) else ""
