"""A run, as the list of its steps; each takes what the one before it made."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from orchestrator import execute, images, report
from orchestrator.adapters.engine import Engine
from orchestrator.adapters.files import write_atomically
from orchestrator.errors import EXIT_FAILED, EXIT_HOST, EXIT_OK, InputError, Location
from orchestrator.matrix import Request
from orchestrator.model import Arch, PlannedCell, Verdict
from orchestrator.pipeline.building import check_host
from orchestrator.pipeline.cell import CellRunner
from orchestrator.pipeline.planning import PLAN_FILE, PlannedRun, Project, make_plan, plan_again
from orchestrator.pipeline.progress import Progress
from orchestrator.pipeline.reporting import write_reports
from orchestrator.pipeline.schedule import Schedule
from orchestrator.report import Status

IMAGES: Final = "images"
MAX_RUNS: Final = 100


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What the user asked of a run. `resume`, `rerun` and `baseline` are folders of earlier runs."""

    request: Request
    reports: Path
    jobs: int
    fail_fast: bool = False
    resume: Path | None = None
    rerun: Path | None = None
    baseline: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A run that ended: where its report is, why it stopped early if it did, and the exit code."""

    folder: Path
    stopped: str | None
    exit_code: int


def run_matrix(project: Project, options: RunOptions, progress: Progress) -> Finished:
    """Plan, build, run, judge and report.

    Raises InputError before anything starts, EngineUnreachableError where no engine answers.
    """
    planned = _choose(project, options)
    engine = Engine.connect()
    try:
        info = engine.info()
        check_host(engine, planned)
        planned, folder = _claim_folder(planned, options)
        _write_plan(planned, folder, str(info))
        _clear_leftovers(engine, progress)
        todo = _still_to_run(folder)
        progress.begin(len(planned.specs), len(todo))
        schedule = Schedule(
            engine=engine,
            runner=_runner(engine, project, planned, folder, Arch.from_machine(info.arch)),
            progress=progress,
            run=planned.plan.run,
            jobs=options.jobs,
            fail_fast=options.fail_fast,
        )
        schedule.execute(todo, planned.specs, folder / IMAGES)
    finally:
        engine.close()
    write_reports(folder, options.baseline)
    return Finished(folder=folder, stopped=schedule.stopped, exit_code=exit_code(folder))


def exit_code(folder: Path) -> int:
    """0 all as expected, 1 some cell failed, 3 some cell was not seen or not run, or a shard is missing."""
    data = report.load_results(folder)
    verdicts = {result.judgement.verdict for result in data.results}
    if Verdict.ERROR in verdicts:
        return EXIT_HOST
    if Verdict.FAIL in verdicts:
        return EXIT_FAILED
    whole = len(data.results) == len(data.plan.cells) and not data.plan.missing_shards
    return EXIT_OK if whole else EXIT_HOST


def latest_run(reports: Path) -> Path:
    """The newest run under a reports folder; raises InputError where there is none."""
    plans = sorted(reports.glob(f"*/{PLAN_FILE}"), key=lambda path: path.stat().st_mtime)
    if not plans:
        raise InputError("there is no earlier run", where=Location(file=str(reports)), hint="start one")
    return plans[-1].parent


def unfinished_cells(folder: Path) -> frozenset[str]:
    """The cells of an earlier run that failed, could not be seen, or did not start."""
    data = report.load_results(folder)
    good = {result.cell.id for result in data.results if result.judgement.verdict is Verdict.PASS}
    return frozenset(item.cell.id for item in data.plan.cells if item.cell.id not in good)


def _choose(project: Project, options: RunOptions) -> PlannedRun:
    if options.resume is not None:
        return plan_again(project, options.resume)
    if options.rerun is None:
        return make_plan(project, options.request)
    cells = unfinished_cells(options.rerun)
    if not cells:
        raise InputError(
            "every cell of that run passed",
            where=Location(file=str(options.rerun)),
            hint="there is nothing to run again",
        )
    return make_plan(project, replace(options.request, cells=cells))


def _claim_folder(planned: PlannedRun, options: RunOptions) -> tuple[PlannedRun, Path]:
    """The run's folder, and the plan under its name: a resumed run's own, else a new one."""
    if options.resume is not None:
        return planned, options.resume
    folder = _own_folder(options.reports / planned.plan.run)
    plan = planned.plan.model_copy(update={"run": folder.name})
    return replace(planned, plan=plan), folder


def _own_folder(wanted: Path) -> Path:
    """Make the run's folder; where another run of the same second has it, one with a number behind."""
    for number in range(1, MAX_RUNS + 1):
        folder = wanted if number == 1 else wanted.with_name(f"{wanted.name}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise InputError(
                f"the run's folder cannot be made: {error.strerror}",
                where=Location(file=str(folder)),
                hint="give another --reports",
            ) from error
        return folder
    raise InputError(
        "too many runs in one second", where=Location(file=str(wanted)), hint="wait a second and try again"
    )


def _write_plan(planned: PlannedRun, folder: Path, engine: str) -> None:
    plan = planned.plan.model_copy(update={"engine": engine})
    write_atomically(folder / PLAN_FILE, plan.chunks())
    for spec in planned.specs:
        images.render(spec, folder / IMAGES)


def _clear_leftovers(engine: Engine, progress: Progress) -> None:
    removed = execute.remove_leftovers(engine)
    if removed:
        progress.say(f"Removed {removed} containers and volumes that a run which was killed had left.")


def _still_to_run(folder: Path) -> list[PlannedCell]:
    """Cells without a verdict of their own; a cell that could not be seen is asked again."""
    asked_again = {Status.NOT_RUN, Status.ERROR}
    return [item.planned for item in report.load_results(folder).records if item.status in asked_again]


def _runner(
    engine: Engine, project: Project, planned: PlannedRun, folder: Path, host_arch: Arch
) -> CellRunner:
    return CellRunner(
        engine=engine,
        run_name=planned.plan.run,
        folder=folder,
        scenarios=dict(project.scenarios),
        specs={spec.key: spec for spec in planned.specs},
        host_arch=host_arch,
    )
