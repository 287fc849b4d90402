"""The scenarios that a project's folder has, by name."""

from pathlib import Path
from typing import Final

from orchestrator.adapters import yamlfile
from orchestrator.errors import ErrorList, InputError, Location
from orchestrator.model import AXIS_VALUE

FILE: Final = "scenario.yaml"
SUFFIX: Final = ".yaml"


def find_scenarios(folder: Path) -> tuple[str, ...]:
    """The names of the scenarios in a project's folder of them, sorted; raises InputError for bad names."""
    errors = ErrorList()
    for path in sorted(folder.glob("*.yml")):
        where = Location(file=yamlfile.shown(path))
        errors.add(
            InputError("a scenario's file ends in .yaml", where=where, hint=f"rename it to {path.stem}.yaml")
        )
    names = present_names(folder)
    for name in names:
        if not AXIS_VALUE.fullmatch(name):
            what = f"{name[:80]!r} cannot name a scenario"
            hint = "rename it: letters, digits, '.', '_' and '-', 64 at most"
            errors.add(InputError(what, where=Location(file=yamlfile.shown(folder)), hint=hint))
    if not names:
        where = Location(file=yamlfile.shown(folder))
        errors.add(InputError("there is no scenario", where=where, hint="create one with `crashmatrix init`"))
    errors.raise_all()
    return names


def present_names(folder: Path) -> tuple[str, ...]:
    """The names of the files and folders that hold a scenario, sorted and unchecked."""
    folders = (path.parent.name for path in folder.glob(f"*/{FILE}"))
    files = (path.stem for path in folder.glob(f"*{SUFFIX}"))
    return tuple(sorted({*folders, *files}))
