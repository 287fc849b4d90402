"""The project that a check runs: the scenarios of each package, in a folder of the cache."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from orchestrator.adapters.cache import cache_folder
from orchestrator.adapters.files import write_atomically
from orchestrator.check.hazard import BATTERY, HAZARD, Group, Hazard, hazards
from orchestrator.check.subjects import Subject
from orchestrator.model import CodeFile

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
ENDS: Final = {Group.SERVED: "SIGTERM", Group.RELOADED: "reload"}
PROCESSES: Final = 2

FilesOf = Callable[[Path], Iterable[CodeFile]]
"""The files of a source tree, without generated ones."""


def write_project(subjects: Iterable[Subject], files_of: FilesOf) -> Path:
    """Write the project of a check; returns its folder, which stays: commands that repeat a cell name it."""
    texts = {"matrix.yaml": "# A check's own project: see `crashmatrix check --help`.\nschema: 1\n"}
    copies: dict[str, Path] = {}
    for subject in subjects:
        for name, entries in _scenarios(subject):
            texts[f"scenarios/{name}.yaml"] = _yaml(entries)
        copies |= _copies(subject, files_of)
    texts[FACTS] = json.dumps({item.name: _start(item) for item in hazards()}, indent=1) + "\n"
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


def _copies(subject: Subject, files_of: FilesOf) -> dict[str, Path]:
    """The user's files that the project has a copy of, by their names in the project."""
    if subject.wheel:
        return {f"{WHEELS}/{subject.wheel.name}": subject.wheel}
    if subject.source:
        inside = f"{SOURCES}/{subject.name}"
        return {f"{inside}/{item.name}": Path(item.path) for item in files_of(subject.source)}
    return {}


def _start(hazard: Hazard) -> dict[str, object]:
    return {"script": hazard.file, "env": hazard.env, "options": hazard.options}


def _scenarios(subject: Subject) -> Iterator[tuple[str, dict[str, object]]]:
    """The scenarios of a package by name: what is started plainly, and what servers serve."""
    files = [*sorted(path.name for path in BATTERY.glob("*.py")), FACTS]
    wheel = f"./{WHEELS}/{subject.wheel.name}" if subject.wheel else ""
    for group in Group:
        tested = [item for item in hazards() if item.group is group]
        entries: dict[str, object] = {
            "schema": 1,
            "title": f"{subject.name}: the lifecycle battery, {group}",
            "files": files,
            "env": {VARIABLE: subject.distribution},
            "timeout": TIMEOUT,
            "share": SHARE,
            "axes": {HAZARD: [item.name for item in tested]},
            "exclude": [_too_old(item) for item in tested if item.python],
        }
        if requires := subject.requirement or wheel:
            entries["requires"] = [requires]
        if subject.source:
            entries["source"] = f"{SOURCES}/{subject.name}"
        if group is Group.PLAIN:
            yield subject.name, {**entries, "script": "start.py"}
        else:
            yield f"{subject.name}.{group}", {**entries, **_served(tested, ENDS[group])}


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
