"""The steps of a run on several hosts. They are those of pipeline.run, except for the engine."""

from __future__ import annotations

__lazy_modules__ = ("orchestrator.adapters",)

import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from orchestrator.adapters import cluster
from orchestrator.errors import InputError
from orchestrator.model import PlannedCell, Scenario
from orchestrator.model.memory import DEFAULT_MEMORY
from orchestrator.pipeline import sharing
from orchestrator.pipeline.fleet.dispatch import Dispatcher, Group
from orchestrator.pipeline.fleet.drive import Fleet
from orchestrator.pipeline.fleet.host import answer, told
from orchestrator.pipeline.fleet.link import Arrived, FleetPlan, Seen
from orchestrator.pipeline.fleet.messages import Open
from orchestrator.pipeline.fleet.taking import Taking
from orchestrator.pipeline.planning import PlannedRun, host_arch
from orchestrator.pipeline.progress import Progress
from orchestrator.pipeline.projects import Project
from orchestrator.pipeline.reporting import report_on
from orchestrator.pipeline.results import Results
from orchestrator.pipeline.run import (
    Finished,
    RunOptions,
    choose_plan,
    claim_folder,
    exit_code,
    still_to_run,
    write_plan,
)  # fmt: skip
from orchestrator.rundir import RunFolder

SILENCE: Final = "CRASHMATRIX_FLEET_SILENCE"
"""The variable with the seconds without a sign of life after which a host's cells run elsewhere."""
USUAL_SILENCE: Final = 60.0
WAIT: Final = "CRASHMATRIX_FLEET_WAIT"
"""The variable with the seconds that a run waits for a host that takes cells."""
USUAL_WAIT: Final = 120.0
CONTAINERS: Final = 64
"""Containers that cells of one image are shared out to at least, before it is known which hosts come."""


@dataclass(frozen=True, kw_only=True)
class FleetOptions:
    """The scheduler of the hosts, and whether their cores are brought here."""

    scheduler: str
    cores: bool = False


@dataclass(frozen=True, kw_only=True)
class _Workers:
    """The workers of a dask scheduler as the hosts of a fleet."""

    cluster: cluster.Cluster

    def hosts(self) -> Mapping[str, Seen]:
        """The workers that are there."""
        return {
            address: Seen(name=item.name, resources=item.resources, heard=item.heard)
            for address, item in self.cluster.workers().items()
        }

    def ask(self, host: str, frame: bytes, resources: Mapping[str, float]) -> int:
        """Send an order."""
        return self.cluster.ask(host, frame, resources)

    def forget(self, order: int) -> None:
        """Stop waiting for an answer."""
        self.cluster.forget(order)

    def tell(self, host: str, token: str, what: str) -> None:
        """Tell a worker something at once."""
        self.cluster.tell(host, token, what)

    def answer(self, timeout: float) -> Arrived | None:
        """The next answer."""
        reply = self.cluster.reply(timeout)
        return Arrived(order=reply.order, frame=reply.frame, error=reply.error) if reply else None


def run_fleet(project: Project, options: RunOptions, fleet: FleetOptions, progress: Progress) -> Finished:
    """Plan, have hosts build and run, judge and report.

    Raises InputError before anything starts, HostError where no scheduler answers.
    """
    earlier = RunFolder(options.resume) if options.resume else None
    planned = choose_plan(project, options, earlier)
    patience = _seconds(WAIT, USUAL_WAIT)
    connection = cluster.Cluster.connect(fleet.scheduler, patience, answer, told)
    try:
        planned, folder = claim_folder(planned, options)
        run = earlier or RunFolder(folder)
        write_plan(planned, run, f"those of the hosts at {fleet.scheduler}")
        todo: Sequence[PlannedCell] = still_to_run(run) if earlier else planned.plan.cells
        progress.begin(len(planned.specs), len(todo))
        driver = Fleet(
            link=_Workers(cluster=connection),
            plan=_fleet_plan(project, planned, todo, options),
            dispatcher=Dispatcher(groups_of(todo, project.scenarios), len(todo)),
            taking=Taking(results=_results(project, planned, run)),
            progress=progress,
            silence=_seconds(SILENCE, USUAL_SILENCE),
            patience=patience,
            cores=fleet.cores,
            fail_fast=options.fail_fast,
            deadline=options.deadline,
        )
        driver.execute()
    finally:
        connection.close()
    baseline = RunFolder(options.baseline) if options.baseline else None
    data = report_on(run, baseline, junit_files=options.junit_files)
    return Finished(folder=folder, data=data, stopped=driver.stopped, exit_code=exit_code(data))


def groups_of(cells: Sequence[PlannedCell], scenarios: Mapping[str, Scenario]) -> Iterator[Group]:
    """The cells by their numbers, those together that may share a container."""
    numbers: dict[int, int] = {}

    def numbered() -> Iterator[PlannedCell]:
        for number, item in enumerate(cells):
            numbers[id(item)] = number  # it is held by whoever groups it, until its group is yielded
            yield item

    for group in sharing.groups(numbered(), scenarios, host_arch(), CONTAINERS):
        first = group[0]
        yield Group(
            image=first.image,
            arch=first.cell.arch,
            cells=tuple(numbers.pop(id(item)) for item in group),
            seconds=sum(item.trials * item.timeout for item in group),
        )


def _fleet_plan(
    project: Project, planned: PlannedRun, todo: Sequence[PlannedCell], options: RunOptions
) -> FleetPlan:
    token = secrets.token_hex(32)
    scenarios = {name for grid in planned.plan.cells.grids for name in grid["scenario"]}
    opening = Open(
        token=token,
        scenarios=tuple(item for name, item in project.scenarios.items() if name in scenarios),
        slots=1,
        memory=max((terms.memory for terms in planned.plan.cells.terms), default=DEFAULT_MEMORY),
        registry=options.registry,
    )
    return FleetPlan(
        token=token,
        cells=todo,
        specs={spec.key: spec for spec in planned.specs},
        arch=host_arch(),
        opening=opening,
    )


def _results(project: Project, planned: PlannedRun, run: RunFolder) -> Results:
    return Results(
        run_name=planned.plan.run,
        run_folder=run,
        project=project.root,
        scenarios=project.scenarios,
        specs={spec.key: spec for spec in planned.specs},
        host_arch=host_arch(),
        locks=planned.locks,
    )


def _seconds(variable: str, usual: float) -> float:
    """The seconds of a variable of the environment; raises InputError."""
    text = os.environ.get(variable)
    try:
        seconds = float(text) if text else usual
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < 1e6:
        raise InputError(f"{variable} is {text!r}, no number of seconds", hint=f"write for example {usual:g}")
    return seconds
