"""The steps of a run; each takes the result of the one before it."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

from orchestrator import execute, images
from orchestrator.adapters.engine import Engine
from orchestrator.adapters.files import real_folder
from orchestrator.errors import (
    EXIT_FAILED,
    EXIT_HOST,
    EXIT_OK,
    HostError,
    InputError,
    Location,
    NotAskedError,
)
from orchestrator.matrix import Request
from orchestrator.model import Arch, Cell, CellResult, ImageSpec, PlannedCell
from orchestrator.pipeline.building import check_host
from orchestrator.pipeline.cell import CellRunner
from orchestrator.pipeline.jobs import jobs_in_memory
from orchestrator.pipeline.plan_again import plan_again
from orchestrator.pipeline.planning import PlannedRun, make_plan
from orchestrator.pipeline.progress import Progress
from orchestrator.pipeline.projects import Project
from orchestrator.pipeline.reporting import report_on
from orchestrator.pipeline.schedule import Build, Deadline, OnReady, Schedule
from orchestrator.pipeline.slots import AHEAD, Slots
from orchestrator.rundir import RunData, RunFolder, Status, layout

MAX_RUNS: Final = 100


class Gate(Protocol):
    """A gate: cells that run first, and whose results decide whether others run."""

    def is_first(self, cell: Cell) -> bool:
        """Whether a cell is among the first."""

    def closed(self, cell: Cell, results: Sequence[CellResult]) -> str | None:
        """Why a cell does not run after these results of the first ones; None if it runs."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """The options of a run. `resume`, `rerun` and `baseline` are folders of earlier runs."""

    request: Request
    reports: Path
    jobs: int
    fail_fast: bool = False
    resume: Path | None = None
    rerun: Path | None = None
    baseline: Path | None = None
    deadline: Deadline | None = None
    """When the run drains by itself."""
    gate: Gate | None = None
    """None: all cells run at once."""
    registry: str | None = None
    """Where images are pulled from and pushed to: HOST/REPO."""
    junit_files: bool = False
    """Whether the cases of junit.xml have the attributes `file` and `line`."""


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A finished run: its data, its reports, why it stopped early, and the exit code."""

    folder: Path
    data: RunData
    stopped: str | None
    exit_code: int


def run_matrix(project: Project, options: RunOptions, progress: Progress) -> Finished:
    """Plan, build, run, judge and report.

    Raises InputError before anything starts, EngineUnreachableError where no engine answers.
    """
    earlier = RunFolder(options.resume) if options.resume else None
    planned = choose_plan(project, options, earlier)
    engine = Engine.connect()
    try:
        info = engine.info()
        check_host(engine, planned)
        planned, folder = claim_folder(planned, options)
        run = earlier or RunFolder(folder)
        write_plan(planned, run, str(info))
        clear_leftovers(engine, progress)
        if engine.unlimited:
            progress.say(f"What a cell writes to /work is not limited here: {engine.unlimited}.")
        todo = still_to_run(run)
        jobs = jobs_in_memory(options.jobs, todo, info.memory, progress.say)
        progress.begin(len(planned.specs), len(todo))
        stop = threading.Event()
        slots, host = Slots(jobs, stop), Arch.from_machine(info.arch)
        runner = runner_for(engine, project, planned, run, host_arch=host, slots=slots)
        schedule = Schedule(
            runner=runner,
            build=builder_for(engine, run, options.jobs, stop, progress, registry=options.registry),
            progress=progress,
            # With --fail-fast a cell starts when the verdict on the one before it is known.
            jobs=jobs if options.fail_fast else AHEAD * jobs,
            fail_fast=options.fail_fast,
            deadline=options.deadline,
            stop=stop,
        )
        for cells in _stages(todo, options.gate, run, runner, progress):
            schedule.execute(cells, planned.specs)
        _clear_own(runner, progress)
    finally:
        engine.close()
    baseline = RunFolder(options.baseline) if options.baseline else None
    data = report_on(run, baseline, junit_files=options.junit_files)
    return Finished(folder=folder, data=data, stopped=schedule.stopped, exit_code=exit_code(data))


def exit_code(data: RunData) -> int:
    """0 all as expected, 1 some cell failed, 3 some cell is `error` or did not run, or a shard is missing.

    Where a plan of what was due is known, a missing cell is 3 even if another one failed.
    """
    if data.counts[Status.ERROR] or data.plan.missing:
        return EXIT_HOST
    if data.counts[Status.FAIL]:
        return EXIT_FAILED
    whole = not data.counts[Status.NOT_RUN] and not data.plan.missing_shards
    return EXIT_OK if whole else EXIT_HOST


def unfinished_cells(data: RunData) -> frozenset[str]:
    """The cells of an earlier run that failed, are `error`, or did not run."""
    return frozenset(record.cell.id for record in data.records if record.status is not Status.PASS)


def choose_plan(project: Project, options: RunOptions, earlier: RunFolder | None) -> PlannedRun:
    """The plan of a run: of a request, of what an earlier run left, or an earlier run's again."""
    if earlier is not None:
        return plan_again(project, earlier)
    if options.rerun is None:
        return make_plan(project, options.request)
    again = RunFolder(options.rerun)
    cells = unfinished_cells(again.load_results())
    if not cells:
        raise InputError(
            "every cell of that run passed",
            where=Location(file=str(options.rerun)),
            hint="there is nothing to run again",
        )
    built = any(terms.built for terms in again.plan.cells.terms)
    request = replace(options.request, cells=cells, build_missing=options.request.build_missing or built)
    return make_plan(project, request)


def claim_folder(planned: PlannedRun, options: RunOptions) -> tuple[PlannedRun, Path]:
    """The run's folder, and the plan under its name: a resumed run's own, else a new one."""
    if options.resume is not None:
        return planned, options.resume
    folder = own_folder(options.reports / planned.plan.run)
    plan = planned.plan.model_copy(update={"run": folder.name})
    return replace(planned, plan=plan), folder


def own_folder(wanted: Path) -> Path:
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


def write_plan(planned: PlannedRun, run: RunFolder, engine: str) -> None:
    """Write a plan with its locks and the recipes of its images; `engine` is what runs it."""
    run.write_locks(planned.locks.values())
    run.write_plan(planned.plan.model_copy(update={"engine": engine}))
    with real_folder(run.path, layout.IMAGES):
        pass
    for spec in planned.specs:
        images.render(spec, run.path / layout.IMAGES)


def clear_leftovers(engine: Engine, progress: Progress) -> None:
    """Remove the containers and volumes that a killed run left."""
    removed = execute.remove_leftovers(engine)
    if removed:
        progress.say(f"Removed {removed} containers and volumes that a run which was killed had left.")


def _clear_own(runner: CellRunner, progress: Progress) -> None:
    """Remove what a lost engine could not, and what it kept of an aborted call."""
    try:
        runner.kill()
    except HostError as error:
        progress.say(f"Not all containers could be removed, which the next run does: {error.what}.")


def still_to_run(run: RunFolder) -> list[PlannedCell]:
    """Cells without a verdict of their own; a cell that is `error` runs again."""
    again = {Status.NOT_RUN, Status.ERROR}
    return [record.planned for record in run.load_results().records if record.status in again]


def _stages(
    todo: Sequence[PlannedCell], gate: Gate | None, run: RunFolder, runner: CellRunner, progress: Progress
) -> Iterator[Sequence[PlannedCell]]:
    """The cells that run together: all, or first those of a gate, then those that it lets through."""
    if gate is None:
        yield todo
        return
    first = [item for item in todo if gate.is_first(item.cell)]
    yield first
    results = run.load_results().results
    left = [item for item in todo if not gate.is_first(item.cell)]
    closed = {item.cell.id: why for item in left if (why := gate.closed(item.cell, results))}
    for item in left:
        if item.cell.id in closed and not runner.stop.is_set():
            error = NotAskedError(closed[item.cell.id], hint="mend that first")
            progress.cell_ended(runner.unobserved(item, error))
    yield [item for item in left if item.cell.id not in closed]


def builder_for(
    engine: Engine,
    run: RunFolder,
    jobs: int,
    stop: threading.Event,
    progress: Progress,
    *,
    registry: str | None = None,
) -> Build:
    """The builder of a run's images, with logs in the run's folder; a registry exchanges them."""

    def build(specs: list[ImageSpec], on_ready: OnReady) -> object:
        logs = run.path / layout.IMAGES
        return images.build_all(
            engine,
            specs,
            jobs=jobs,
            logs=logs,
            stop=stop,
            on_ready=on_ready,
            progress=progress,
            registry=registry,
        )

    return build


def runner_for(
    engine: Engine,
    project: Project,
    planned: PlannedRun,
    run: RunFolder,
    *,
    host_arch: Arch,
    slots: Slots,
) -> CellRunner:
    """The runner of a plan's cells."""
    return CellRunner(
        engine=engine,
        run_name=planned.plan.run,
        run_folder=run,
        project=project.root,
        scenarios=dict(project.scenarios),
        specs={spec.key: spec for spec in planned.specs},
        host_arch=host_arch,
        locks=planned.locks,
        slots=slots,
    )
