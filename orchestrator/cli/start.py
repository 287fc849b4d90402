"""From the flags of `crashmatrix init` to the scenario that they describe, checked as far as possible."""

from __future__ import annotations

__lazy_modules__ = ("packaging", "orchestrator")

import argparse
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Final

from packaging import requirements, utils, version

from orchestrator import matrix
from orchestrator.errors import InputError, Location

LATEST: Final = "latest"
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""A scenario's name: a value of an axis, and the name of a file."""
SCRIPT: Final = "script"
WHEEL: Final = ".whl"
PYTEST: Final = "pytest"
FLAGS: Final = {SCRIPT: SCRIPT, "wsgi": "wsgi", PYTEST: PYTEST, "command": "command_line"}
"""The attribute of each kind of target in the parsed flags."""

_Target = tuple[str | tuple[str, ...], str]
"""The value of a target's key, and the text that the scenario's name is made from."""


def new_scenario(arguments: argparse.Namespace, folder: Path) -> matrix.NewScenario:
    """The scenario that the flags describe, for a project in `folder`; raises InputError."""
    kind = next(kind for kind, flag in FLAGS.items() if getattr(arguments, flag) is not None)
    packages = package_versions(arguments.package)
    source = _source(arguments.source, folder) if arguments.source else None
    target, called = TARGETS[kind](arguments, folder)
    rest = tuple(arguments.arguments)
    if rest and kind not in (SCRIPT, PYTEST):
        raise InputError(
            f"--arguments: {kind} takes no arguments",
            hint="remove --arguments, or write them after the command",
        )
    name = arguments.name or _slug(called)
    if not NAME.fullmatch(name):
        raise InputError(
            f"{name[:80]!r} cannot name a scenario", hint="give --name NAME, of letters, digits, . _ and -"
        )
    return matrix.NewScenario(
        name=name,
        kind=kind,
        target=target,
        arguments=rest if kind == SCRIPT else (),
        packages=packages,
        requires=_requires(arguments, folder, kind, packages),
        source=source,
    )


def package_versions(texts: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The versions of each package from texts NAME==V1,V2, or NAME for the latest; raises InputError."""
    found: dict[str, tuple[str, ...]] = {}
    for text in texts:
        name, equals, versions = (part.strip() for part in text.partition("=="))
        try:
            utils.canonicalize_name(name, validate=True)
        except utils.InvalidName as error:
            raise InputError(
                f"--package {text[:80]!r}: {name[:80]!r} names no package",
                hint="write NAME==VERSION,VERSION; other conditions go to --require",
            ) from error
        values = [_version(item.strip(), text) for item in versions.split(",")] if equals else [LATEST]
        found[name] = tuple(dict.fromkeys((*found.get(name, ()), *values)))
    return found


def parsed_requirement(text: str) -> requirements.Requirement:
    """A requirement as PEP 508 writes it; raises InputError."""
    try:
        return requirements.Requirement(text)
    except requirements.InvalidRequirement as error:
        said = str(error).splitlines()[0]
        raise InputError(
            f"--require {text[:80]!r} is no requirement: {said}", hint="write for example 'numpy>=2,<3'"
        ) from error


def _version(text: str, package: str) -> str:
    if text == LATEST:
        return text
    try:
        version.Version(text)
    except version.InvalidVersion as error:
        raise InputError(
            f"--package {package[:80]!r}: {text[:80]!r} is no version",
            hint="write for example grpcio==1.70.0,1.71.2, or latest",
        ) from error
    return text


def _requires(
    arguments: argparse.Namespace, folder: Path, kind: str, packages: Mapping[str, object]
) -> str | tuple[str, ...]:
    """The scenario's requirements: the file, if there is nothing else. A test suite needs pytest."""
    file = arguments.requirements and _file(arguments.requirements, folder, "a file of requirements")
    required = dict(_required(text, folder) for text in arguments.require)
    own, names = list(required), set(required.values())
    names |= {utils.canonicalize_name(name) for name in packages}
    named = file and re.search(
        rf"^\s*{PYTEST}\b(?!-)", (folder / file).read_text("utf-8", "replace"), re.MULTILINE
    )
    if kind == PYTEST and PYTEST not in names and not named:
        own.append(PYTEST)
    if file:
        return (f"-r {file}", *own) if own else str(file)
    return tuple(own)


def _required(text: str, folder: Path) -> tuple[str, str]:
    """A requirement as a scenario writes it, and its distribution; raises InputError."""
    if not text.endswith(WHEEL) or "@" in text:
        return text, utils.canonicalize_name(parsed_requirement(text).name)
    path = _file(Path(text), folder, "a wheel")
    try:
        return path, utils.parse_wheel_filename(PurePosixPath(path).name)[0]
    except utils.InvalidWheelFilename as error:
        raise InputError(
            "this is not named as a wheel is", where=Location(file=text), hint="name a .whl file of pip's"
        ) from error


def _file(given: Path, folder: Path, what: str) -> str:
    path = _inside(given, folder, what)
    if not given.is_file():
        raise InputError("this is not a file", where=Location(file=str(given)), hint=f"name {what}")
    return path


def _script(arguments: argparse.Namespace, folder: Path) -> _Target:
    path = _file(arguments.script, folder, "a script")
    return f"./{path}" if path.startswith("-") else path, PurePosixPath(path).name


def _wsgi(arguments: argparse.Namespace, _folder: Path) -> _Target:
    module, _, name = arguments.wsgi.removesuffix("()").partition(":")
    if not all(part.isidentifier() for part in (*module.split("."), *name.split("."))):
        raise InputError(
            f"--wsgi {arguments.wsgi[:80]!r} is not MODULE:OBJECT", hint="write for example app:application"
        )
    return arguments.wsgi, module


def _pytest(arguments: argparse.Namespace, folder: Path) -> _Target:
    for text in arguments.pytest:
        _inside(Path(text.partition("::")[0]), folder, "tests")
    return (*arguments.pytest, *arguments.arguments), "tests"


def _command(arguments: argparse.Namespace, _folder: Path) -> _Target:
    if not arguments.command_line:
        raise InputError(
            "--command names no program", hint="write for example --command celery -A app worker"
        )
    return tuple(arguments.command_line), PurePosixPath(arguments.command_line[0]).name


TARGETS: Final[Mapping[str, Callable[[argparse.Namespace, Path], _Target]]] = {
    SCRIPT: _script,
    "wsgi": _wsgi,
    PYTEST: _pytest,
    "command": _command,
}


def _source(given: Path, folder: Path) -> str:
    path = _inside(given, folder, "a package's source")
    if not any((folder / path / name).is_file() for name in ("pyproject.toml", "setup.py")):
        raise InputError(
            "--source: no pyproject.toml and no setup.py are there",
            where=Location(file=str(given)),
            hint="name the folder that `pip install` accepts",
        )
    return path


def _inside(given: Path, folder: Path, what: str) -> str:
    """The path of what exists in the project's folder, relative to that."""
    if not given.exists():
        raise InputError(
            "it does not exist", where=Location(file=str(given)), hint=f"name {what} in the project's folder"
        )
    try:
        return given.resolve().relative_to(folder.resolve()).as_posix()
    except ValueError as error:
        raise InputError(
            f"this lies outside the project's folder {folder.resolve()}",
            where=Location(file=str(given)),
            hint="run init in a folder above it",
        ) from error


def _slug(text: str) -> str:
    """The name of a scenario, from that of its target."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", text.removesuffix(".py")).strip("-_")
    return plain[:64] or "scenario"
