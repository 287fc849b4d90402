"""The project that a check runs: the scenarios of each package, in a folder of the cache."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from orchestrator.adapters.cache import cache_folder
from orchestrator.adapters.files import write_atomically
from orchestrator.check.hazard import BATTERY, HAZARD, Group, Hazard, rows
from orchestrator.check.requested import RequestedPackage
from orchestrator.check.suite import Suite
from orchestrator.model import INSTRUMENT, CodeFile

GATE: Final = "exit"
"""The hazard that is tested first: if the import fails, the others are not tested."""
TIMEOUT: Final = 60
SHARE: Final = 12
"""Cells of one environment that may share a container; several containers run at a time."""
SOURCES: Final = "sources"
WHEELS: Final = "wheels"
FACTS: Final = "hazards.json"
"""How each hazard's script is started, for battery/start.py."""
VARIABLE: Final = "CHECK_DISTRIBUTION"
SCRIPT: Final = "CHECK_SCRIPT"
"""The variable with a script that takes the place of a hazard's own (battery/start.py)."""
ASK: Final = "?"
"""Its value for printing the hazard's script, as JSON after TEXT, in place of running it."""
TEXT: Final = "crashmatrix-script: "
SUITES: Final = "suites"
"""The folder of the packages' own tests."""
SUITE_TIMEOUT: Final = 600
PLUGIN: Final = "suite"
"""The plugin of pytest that starts the tests in their own folder."""
SUITE_FOLDER: Final = "CHECK_SUITE"
"""The variable with the folder in which the tests start (battery/suite.py)."""
SUFFIXES: Final = frozenset(str(group) for group in Group if group is not Group.PLAIN)
ENDS: Final = {Group.SERVED: "SIGTERM", Group.RELOADED: "reload"}
PROCESSES: Final = 2

FilesOf = Callable[[Path], Iterable[CodeFile]]
"""The files of a source tree, without generated ones."""


@dataclass(frozen=True, kw_only=True)
class Extras:
    """What is tested beside the battery."""

    valgrind: bool = False
    suites: Mapping[str, Suite] = field(default_factory=dict)
    """The packages' own tests, by the name of the package."""


BATTERY_ALONE: Final = Extras()


def write_project(
    requested: Iterable[RequestedPackage], files_of: FilesOf, extras: Extras = BATTERY_ALONE
) -> Path:
    """Write the project of a check; returns its folder, which stays: commands that repeat a cell name it."""
    texts = {"matrix.yaml": "# A check's own project: see `crashmatrix check --help`.\nschema: 1\n"}
    copies: dict[str, Path] = {}
    for package in requested:
        suite = extras.suites.get(package.name)
        for name, entries in _scenarios(package, valgrind=extras.valgrind, suite=suite):
            texts[f"scenarios/{name}.yaml"] = _yaml(entries)
        copies |= _copies(package, files_of) | _suite_files(package, suite)
    texts[FACTS] = json.dumps({item.name: _start(item) for item in rows()}, indent=1) + "\n"
    texts |= {path.name: path.read_text("utf-8") for path in sorted(BATTERY.glob("*.py"))}
    folder = cache_folder("checks") / _digest(texts, copies)
    if not (folder / "matrix.yaml").exists():
        for name, path in copies.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, folder / name)
        for name, text in reversed(texts.items()):  # matrix.yaml last: it makes the folder a project
            write_atomically(folder / name, text)
    return folder


def _digest(texts: Mapping[str, str], copies: Mapping[str, Path]) -> str:
    found = hashlib.sha256(json.dumps(sorted(texts.items())).encode())
    for name, path in sorted(copies.items()):
        with path.open("rb") as stream:
            found.update(f"{name}\0{hashlib.file_digest(stream, 'sha256').hexdigest()}\0".encode())
    return found.hexdigest()[:16]


def _copies(package: RequestedPackage, files_of: FilesOf) -> dict[str, Path]:
    """The user's files that the project has a copy of, by their names in the project."""
    if package.wheel:
        return {f"{WHEELS}/{package.wheel.name}": package.wheel}
    if package.source:
        inside = f"{SOURCES}/{package.name}"
        return {f"{inside}/{item.name}": Path(item.path) for item in files_of(package.source)}
    return {}


def _start(hazard: Hazard) -> dict[str, object]:
    inside = hazard.group is Group.WATCHED
    return {"script": hazard.file, "env": hazard.env, "options": hazard.options, "inside": inside}


def base_name(scenario: str) -> str:
    """The name of the package that a scenario of a check tests."""
    stem, _, group = scenario.rpartition(".")
    return stem if stem and group in SUFFIXES else scenario


def _scenarios(
    package: RequestedPackage, *, valgrind: bool, suite: Suite | None
) -> Iterator[tuple[str, dict[str, object]]]:
    """The scenarios of a package by name, a group of hazards each."""
    files = [*sorted(path.name for path in BATTERY.glob("*.py")), FACTS]
    wheel = f"./{WHEELS}/{package.wheel.name}" if package.wheel else ""
    wanted = [
        group for group in Group if group is not Group.TESTS and (valgrind or group is not Group.WATCHED)
    ]
    for group in wanted:
        tested = [item for item in rows() if item.group is group]
        entries: dict[str, object] = {
            "schema": 1,
            "title": f"{package.name}: the lifecycle battery, {group}",
            "files": files,
            "env": {VARIABLE: package.distribution},
            "timeout": TIMEOUT,
            "share": SHARE,
            "axes": {HAZARD: [item.name for item in tested]},
            "exclude": [_too_old(item) for item in tested if item.python],
        }
        if requires := package.requirement or wheel:
            entries["requires"] = [requires]
        if package.source:
            entries["source"] = f"{SOURCES}/{package.name}"
        if group is Group.PLAIN:
            yield package.name, {**entries, "script": "start.py"}
        elif group is Group.WATCHED:
            axes = {HAZARD: [item.name for item in tested], INSTRUMENT: [str(group)]}
            yield f"{package.name}.{group}", {**entries, "axes": axes, "script": "start.py"}
        else:
            yield f"{package.name}.{group}", {**entries, **_served(tested, ENDS[group])}
    if suite:
        yield f"{package.name}.{Group.TESTS}", _tests(package, suite, wheel)


def _tests(package: RequestedPackage, suite: Suite, wheel: str) -> dict[str, object]:
    """The scenario of a package's own tests, of the version that they belong to."""
    extra = f"[{suite.extra}]" if suite.extra else ""
    exact = f"{package.distribution}{extra}=={suite.version}" if suite.version else ""
    folder = f"{SUITES}/{package.name}"
    where = [f"{folder}/{suite.start}"] if suite.files else ["--pyargs", suite.start]
    entries: dict[str, object] = {
        "schema": 1,
        "title": f"{package.name}: the package's own tests",
        "files": [f"{PLUGIN}.py", *([folder] if suite.files else [])],
        "env": {VARIABLE: package.distribution, SUITE_FOLDER: folder if suite.files else "."},
        "timeout": SUITE_TIMEOUT,
        "axes": {HAZARD: [str(Group.TESTS)]},
        "pytest": ["-p", PLUGIN, "-p", "no:cacheprovider", "-o", "addopts=", *where],
    }
    requires = [*([wheel] if wheel else [exact] if exact else []), *suite.requires]
    if requires:
        entries["requires"] = requires
    if package.source:
        entries["source"] = f"{SOURCES}/{package.name}"
    return entries


def _suite_files(package: RequestedPackage, suite: Suite | None) -> dict[str, Path]:
    return {f"{SUITES}/{package.name}/{name}": path for name, path in suite.files.items()} if suite else {}


def _too_old(hazard: Hazard) -> dict[str, str]:
    when = f'{HAZARD} == "{hazard.name}" and python < "{hazard.python}"'
    return {"when": when, "reason": f"CPython has this since {hazard.python}: {hazard.title}"}


def _served(tested: Iterable[Hazard], end: str) -> dict[str, object]:
    options = [{"when": 'launcher == "uwsgi"', "options": ["--enable-threads"]}]
    for item in tested:
        launcher, option = ("uwsgi", "--lazy-apps") if item.lazy else ("gunicorn", "--preload")
        when = f'launcher == "{launcher}" and {HAZARD} == "{item.name}"'
        options.append({"when": when, "options": [option]})
    return {
        "wsgi": "app:application",
        "server": {"processes": PROCESSES},
        "end": end,
        "launcher_options": options,
    }


def _yaml(entries: Mapping[str, object]) -> str:
    """Each value as JSON, which YAML includes."""
    return "".join(f"{key}: {json.dumps(value)}\n" for key, value in entries.items())
