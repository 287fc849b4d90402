"""The session's place: an engine, a cache, projects, and runs of the program as a user starts them."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from orchestrator.adapters import workdisk
from orchestrator.adapters.cache import VARIABLE
from orchestrator.matrix import Request
from orchestrator.model import Arch, CellResult, ImageKind
from orchestrator.pipeline.planning import make_plan
from orchestrator.pipeline.projects import Project
from tests.chaos.engine import OwnEngine, copy_images, own_engine
from tests.chaos.table import Row, compared

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[1]
LABEL: Final = "label=org.crashmatrix"
CONTROL: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
MATRIX: Final = {"python": ["3.11"], "glibc": ["2.36"], "launcher": ["plain"]}
"""The environment of all cases: Debian 12 with its own Python, so that nothing is compiled."""
ENDS: Final = 600
"""A cell's time limit in seconds: none of those that must end reaches it on a machine that is busy."""
RUN_SECONDS: Final = 1800
"""Seconds after which a run counts as hanging."""


@dataclass(frozen=True, kw_only=True)
class Ran:
    """A run of the program that ended."""

    code: int
    said: str
    reports: Path

    @property
    def folder(self) -> Path:
        """The run's folder."""
        (folder,) = (path.parent for path in self.reports.glob("*/plan.json"))
        return folder

    @property
    def results(self) -> list[CellResult]:
        """The results of its cells."""
        return results(self.reports)

    @property
    def terminal(self) -> str:
        """`clean`, or the first character that a terminal would act on, and a traceback."""
        if "Traceback (most recent call last)" in self.said:
            return self.said
        found = CONTROL.search(self.said)
        return f"{found[0]!r} in {self.said[:200]!r}" if found else "clean"


def results(reports: Path) -> list[CellResult]:
    """The results in a folder of reports; raises ValueError for one that is not whole."""
    paths = sorted(reports.glob("*/cells/**/result.json"))
    return [CellResult.model_validate_json(path.read_text()) for path in paths]


def same(part: str, case: str, whole: Ran, ran: Ran) -> Row:
    """Whether a run came to the same as one of another project with the same cells."""
    wanted, seen = _verdicts(whole), _verdicts(ran)
    other = [f"{deed}: {seen.get(deed)}" for deed, said in wanted.items() if seen.get(deed) != said]
    expected = f"exit {whole.code}, {len(wanted)} verdicts as undisturbed"
    found = f"exit {ran.code}, {len(seen)} verdicts " + ("; ".join(other) or "as undisturbed")
    return Row(part=part, case=case, expected=expected, seen=found, right=expected == found)


def _verdicts(ran: Ran) -> dict[str, str]:
    """Each deed's verdict with its reason."""
    judged = {item.cell.axes["deed"]: item.judgement for item in ran.results}
    return {deed: f"{judgement.verdict}: {judgement.reason}" for deed, judgement in judged.items()}


@dataclass(frozen=True, kw_only=True)
class Lab:
    """An engine of the session's own with what runs on it; `folder` is removed at the end."""

    folder: Path
    engine: OwnEngine
    environment: dict[str, str] = field(default_factory=dict)
    started: list["subprocess.Popen[str]"] = field(default_factory=list)
    """Runs, which end with the session."""

    @property
    def cache(self) -> Path:
        """The session's own cache."""
        return self.folder / "cache"

    def project(self, name: str, deeds: Sequence[str], seconds: int = ENDS) -> Path:
        """A project whose one scenario does deeds, a cell each, with a time limit for each."""
        folder = self.folder / "projects" / name
        (folder / "scenarios").mkdir(parents=True)
        for file in (HERE / "project").glob("*.py"):
            shutil.copy(file, folder)
        arch = [Arch.from_machine(os.uname().machine)]
        matrix = {"schema": 1, "axes": {**MATRIX, "arch": arch}}
        scenario = {
            "schema": 1,
            "script": "deed.py",
            "timeout": seconds,
            "axes": {"deed": list(deeds)},
            "share": 1,
        }
        (folder / "matrix.yaml").write_text(json.dumps(matrix))  # JSON is YAML
        (folder / f"scenarios/{name}.yaml").write_text(json.dumps(scenario))
        return folder

    def start(
        self,
        project: Path,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        within: Sequence[str] = (),
    ) -> "subprocess.Popen[str]":
        """Start a run, `within` another command; its reports go to the project's folder."""
        command = [*within, sys.executable, "-m", "orchestrator", "--project", str(project), "run"]
        command += ["--reports", str(project / "reports"), *arguments]
        known = {**os.environ, **self.environment, **(env or {})}
        process = subprocess.Popen(
            command, cwd=ROOT, env=known, text=True, errors="replace",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.started.append(process)
        return process

    def run(self, project: Path, *arguments: str, env: Mapping[str, str] | None = None) -> Ran:
        """Run to the end."""
        return self.end(self.start(project, *arguments, env=env), project)

    def end(self, process: "subprocess.Popen[str]", project: Path) -> Ran:
        """Wait for a run."""
        try:
            said, _ = process.communicate(timeout=RUN_SECONDS)
        finally:
            process.kill()
        return Ran(code=process.returncode, said=said, reports=project / "reports")

    def doctor(self) -> str:
        """What doctor says of the session's engine."""
        command = [sys.executable, "-m", "orchestrator", "doctor"]
        env = {**os.environ, **self.environment, "COLUMNS": "200"}
        return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False).stdout

    def nothing_left(self, part: str) -> list[Row]:
        """Whether containers, volumes, disks and temporary folders of the runs are gone."""
        with self.engine.client() as client:
            left = [item.name for item in client.containers.list(all=True)]
            left += [item.name for item in client.volumes.list()]
        scratch = self.cache / workdisk.SCRATCH
        left += [path.name for path in scratch.iterdir()] if scratch.is_dir() else []
        left += [
            loop.name for loop in workdisk.LOOPS.glob("loop*") if _backing(loop).startswith(str(scratch))
        ]
        return [compared(part, "nothing left", [], left)]


def _backing(loop: Path) -> str:
    try:
        return (loop / "loop/backing_file").read_text()
    except OSError:
        return ""


@contextmanager
def lab(folder: Path) -> Iterator[Lab]:
    """A lab with the images that all cases need, copied from the user's engine where that has them."""
    with own_engine(folder / "engine") as engine:
        environment = {"DOCKER_HOST": engine.host, VARIABLE: str(folder / "cache"), "NO_COLOR": "1"}
        made = Lab(folder=folder, engine=engine, environment=environment)
        plan = make_plan(Project.load(made.project("first", ["nothing"])), Request())
        copy_images([spec.tag for spec in plan.specs if spec.kind is ImageKind.ROOTFS], engine)
        try:
            yield made
        finally:
            for process in made.started:
                if process.poll() is None:
                    process.kill()
                    process.communicate()
