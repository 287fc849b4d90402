"""The first files of a project: a matrix.yaml with defaults only, and one scenario."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from orchestrator.adapters import yamlfile
from orchestrator.adapters.files import write_atomically
from orchestrator.errors import ErrorList, InputError, Location
from orchestrator.invocation import MATRIX
from orchestrator.matrix.matrix_file import MatrixFile
from orchestrator.matrix.requirements import Requirements
from orchestrator.matrix.scenario_file import ScenarioFile

SCENARIOS: Final = "scenarios"
SCHEMAS: Final = ".crashmatrix/schema"
"""The folder of a project with the JSON schemas that editors complete its files by."""
SERVER: Final = "# yaml-language-server: $schema="
"""The comment by which editors find the schema of a YAML file."""

IGNORE: Final = "reports/.gitignore"
IGNORE_TEXT: Final = "# Runs are made here, and cores in them hold secrets.\n*\n"

MATRIX_TEXT: Final = f"""\
{SERVER}{SCHEMAS}/matrix.json
# This file makes the folder a crashmatrix project. What it does not say comes with the program: the Pythons,
# C libraries and launchers that there are, and two profiles: `quick`, for which no interpreter is compiled,
# and `full`. Uncomment a line to change it; `crashmatrix plan` shows what would run.
schema: 1
# default_profile: full
# axes:
#   python: ["3.11", "3.13"]   # in quotes: YAML reads 3.10 as the number 3.1
#   launcher: [plain]
"""
OPTIONS_TEXT: Final = """\

# Each of these has a default:
# timeout: 60                # seconds of one trial; 600 of a test suite
# trials: 10                 # for a crash that comes and goes; 1 by default
# env: {PYTHONMALLOC: debug} # environment variables of the process
# files: [app.py, data/]     # what is copied into the environments; by default all of this folder but caches,
#                            # virtual environments, version control and reports
# memory: 4GiB               # the most that one trial may have; 1GiB by default
# network: true              # by default the process has no network but its own loopback
# Without `expect:`, an environment passes where the program ends with exit status 0: no crash, no hang.
"""


@dataclass(frozen=True, kw_only=True)
class NewScenario:
    """What a new scenario runs: `kind` is the key of its target, such as `script`, and `target` the value."""

    name: str
    kind: str
    target: str | tuple[str, ...]
    arguments: tuple[str, ...] = ()
    packages: Mapping[str, tuple[str, ...]]
    requires: str | tuple[str, ...] = ()
    """Requirements, or the path of a file with them."""
    source: str | None = None

    @property
    def _entries(self) -> dict[str, object]:
        entries: dict[str, object] = {"schema": 1, self.kind: self.target}
        options = {"arguments": self.arguments, "requires": self.requires, "source": self.source}
        return entries | {key: value for key, value in options.items() if value}

    def check(self, folder: Path) -> None:
        """Raise InputError where the file would not load in the project's folder."""
        try:
            ScenarioFile.model_validate({**self._entries, "packages": self.packages})
        except ValidationError as error:
            first = error.errors()[0]
            hint = first.get("ctx", {}).get("hint", "rename it, or write the file by hand")
            said = first["msg"].removeprefix("Value error, ")
            raise InputError(f"{first['loc'][0]}: {said}", hint=hint) from error
        self._check_requirements(folder.resolve())

    def _check_requirements(self, project: Path) -> None:
        """Raise InputError for each requirement that a plan would refuse, in a file at its line."""
        errors = ErrorList()
        reader = Requirements(project=project, errors=errors)
        entries = (f"-r {self.requires}",) if isinstance(self.requires, str) else self.requires
        for entry in entries:
            for _ in reader.listed(entry, project, Location(file="requires")):
                pass
        errors.raise_all()

    @property
    def text(self) -> str:
        """The file's text."""
        lines = [
            f"{SERVER}../{SCHEMAS}/scenario.json",
            "# What runs in every environment. Paths are relative to the project's folder.",
            *(f"{key}: {yamlfile.flow(value)}" for key, value in self._entries.items()),
            *(
                ["packages:  # an axis each: every version runs in every environment"]
                if self.packages
                else []
            ),
            *(f"  {yamlfile.flow(name)}: {yamlfile.flow(known)}" for name, known in self.packages.items()),
        ]
        return "\n".join(lines) + "\n" + OPTIONS_TEXT


def write_first_files(folder: Path, scenario: NewScenario, schemas: Mapping[str, str]) -> tuple[Path, ...]:
    """Write a scenario, and a matrix.yaml where there is none; returns what was written for people.

    `schemas` are the texts of the JSON schemas `matrix` and `scenario`. Raises InputError where the scenario
    would not load, and where one of that name exists: nothing is overwritten but the schemas.
    """
    scenario.check(folder)
    matrix, file = folder / MATRIX, folder / SCENARIOS / f"{scenario.name}.yaml"
    for taken in (file, file.with_suffix("")):
        if taken.exists():
            raise InputError(
                "a scenario of this name exists already",
                where=Location(file=yamlfile.shown(taken)),
                hint="edit it, remove it, or give the new one another --name",
            )
    for name, text in schemas.items():
        write_atomically(folder / SCHEMAS / f"{name}.json", text)
    texts = {matrix: MATRIX_TEXT, file: scenario.text, folder / IGNORE: IGNORE_TEXT}
    written = [path for path in texts if not path.exists()]
    for path in written:
        path.parent.mkdir(exist_ok=True)
        with path.open("x", encoding="utf-8") as stream:
            stream.write(texts[path])
    return tuple(path for path in written if path != folder / IGNORE)


def is_listed(folder: Path, name: str) -> bool:
    """Whether a scenario is on the project's scenario axis; raises InputError for a wrong matrix.yaml."""
    listed = yamlfile.load(folder / MATRIX, MatrixFile).axes.get("scenario")
    return listed is None or name in listed
