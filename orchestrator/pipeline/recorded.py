"""A cell of an earlier run: its plan, its result, its scenario as the project has it, and its image."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from orchestrator import images
from orchestrator.adapters.engine import Engine
from orchestrator.adapters.suggest import nearest
from orchestrator.errors import InputError, Location
from orchestrator.execute import TrialCommand
from orchestrator.invocation import command
from orchestrator.model import Arch, CellResult, PlannedCell, Scenario
from orchestrator.pipeline.projects import Project
from orchestrator.pipeline.results import command_of
from orchestrator.rundir import RunData, RunFolder, layout


@dataclass(frozen=True, kw_only=True)
class RecordedCell:
    """A cell that ran, with its plan, result and scenario."""

    run: RunFolder
    data: RunData
    planned: PlannedCell
    result: CellResult
    scenario: Scenario

    def command(self, host: Arch) -> TrialCommand:
        """How a container runs a trial of it."""
        return command_of(self.scenario, self.planned, host)

    @property
    def image_tag(self) -> str:
        """The tag of its image."""
        return self.data.images[self.planned.image].tag

    def image(self, engine: Engine) -> str:
        """The id of its image; raises InputError if the engine no longer has it."""
        found = engine.built(self.image_tag, self.planned.image)
        if found is None:
            again = command("run", "--cell", self.planned.cell.id)
            raise InputError(
                f"the engine has the image of {self.planned.cell.id} no more", hint=f"run it again: `{again}`"
            )
        return found


def recorded_cell(project: Project, folder: Path, name: str) -> RecordedCell:
    """A cell of a run by its id.

    Raises InputError for a cell that is not in the run or did not run there, and where the project starts
    something else in its scenario now.
    """
    run = RunFolder(folder)
    data = run.load()
    record = data.by_id.get(name)
    where = Location(file=str(run.path))
    if record is None:
        raise InputError(
            f"there is no cell {name!r} in this run", where=where, hint=nearest(name, data.by_id)
        )
    if record.result is None or not record.result.trials:
        raise InputError(f"{name} did not run: {record.reason}", where=where, hint="name another --run")
    scenario = project.scenarios.get(record.cell.scenario)
    if scenario is None:
        known = nearest(record.cell.scenario, project.scenarios)
        raise InputError(f"the project has no scenario {record.cell.scenario!r} any more", hint=known)
    _check_start(run, data, record.planned, scenario)
    return RecordedCell(run=run, data=data, planned=record.planned, result=record.result, scenario=scenario)


def _check_start(run: RunFolder, data: RunData, planned: PlannedCell, scenario: Scenario) -> None:
    """Refuse a scenario whose script, arguments or variables were changed since the run."""
    image = data.images.get(planned.image)
    recipe = data.inside(layout.dockerfile(image)) if image else None
    if scenario.code is None or recipe is None:
        return
    if images.digest_of_start(scenario.code) not in recipe.read_text(encoding="utf-8", errors="replace"):
        raise InputError(
            f"scenario {scenario.name} starts something else now than in that run",
            where=Location(file=str(run.path)),
            hint="run the cell again",
        )


@contextmanager
def held(engine: Engine, image: str, labels: dict[str, str]) -> Generator[str]:
    """A container of an image that is never started, to read the image's files."""
    container = engine.hold(image, labels=labels)
    try:
        yield container
    finally:
        engine.remove(container)
