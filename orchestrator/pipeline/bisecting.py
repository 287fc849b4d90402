"""A bisection as a run: a few cells along an axis, each step chosen by the result of the last."""

from __future__ import annotations

__lazy_modules__ = ("orchestrator",)

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from orchestrator import bisect
from orchestrator.adapters.engine import Engine, EngineInfo
from orchestrator.errors import EXIT_FAILED, EXIT_HOST, EXIT_OK, InputError
from orchestrator.matrix import Request
from orchestrator.model import (
    COMMIT,
    Arch,
    Bisection,
    BisectionFinding,
    Cell,
    ExcludedCells,
    PlannedCells,
)
from orchestrator.pipeline.along import Along
from orchestrator.pipeline.along_find import clear, prepare
from orchestrator.pipeline.building import check_host
from orchestrator.pipeline.jobs import jobs_in_memory
from orchestrator.pipeline.planning import PlannedRun, make_plan
from orchestrator.pipeline.progress import Progress
from orchestrator.pipeline.reporting import report_on
from orchestrator.pipeline.run import builder_for, clear_leftovers, own_folder, runner_for, write_plan
from orchestrator.pipeline.schedule import Schedule
from orchestrator.pipeline.slots import AHEAD, Slots
from orchestrator.rundir import RunData, RunFolder

MOST_TRIALS: Final = 100
"""Trials of one value, unless the scenario or the user wants more."""
NOT_NEEDED: Final = "the bisection had no need to test this value"


@dataclass(frozen=True, kw_only=True)
class Bisected:
    """A finished bisection: its run, its result, and why it stopped early, if it did."""

    folder: Path
    data: RunData
    bisection: Bisection
    stopped: str | None

    @property
    def exit_code(self) -> int:
        """0 one flip was found; 1 none or several; 3 it could not be tested, or was stopped."""
        if self.stopped or self.bisection.finding is BisectionFinding.UNKNOWN:
            return EXIT_HOST
        return EXIT_OK if self.bisection.finding is BisectionFinding.FLIP else EXIT_FAILED


@dataclass(frozen=True, kw_only=True)
class BisectOptions:
    """The options of a bisection: the folder of runs, the number of parallel cells, the question in words."""

    request: Request
    reports: Path
    jobs: int
    words: str
    repeat: Callable[[Cell], str]
    """The shell command that repeats one cell."""


def bisect_axis(along: Along, options: BisectOptions, progress: Progress) -> Bisected:
    """Test values of an axis until the place of the flip is known, and write the report.

    Raises InputError before anything starts, EngineUnreachableError where no engine answers.
    """
    scenario, wanted = along.project.scenarios[along.scenario], options.request.trials
    trials = max(bisect.FEWEST, wanted or scenario.trials)
    state = bisect.State(values=along.values, trials=trials, most=max(MOST_TRIALS, trials))
    for at, value in enumerate(along.values):
        if value in along.skipped:
            state.skip(at, along.skipped[value])
    name = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-bisect-{along.scenario}"
    run = RunFolder(own_folder(options.reports / name))
    steps = _Steps(along=along, options=options, run=run)
    engine = Engine.connect()
    try:
        clear_leftovers(engine, progress)
        stopped = _ask_all(engine, steps, state, progress)
    finally:
        engine.close()
        clear(along)
    question = bisect.Question(
        run=run.path.name,
        scenario=along.scenario,
        axis=along.axis,
        environment=along.environment,
        titles=along.titles,
    )
    concluded = bisect.conclude(question, state)
    if not state.found:
        raise InputError(concluded.sentence, hint="; ".join(dict.fromkeys(state.skipped.values())))
    run.write(concluded)
    return Bisected(folder=run.path, data=report_on(run), bisection=concluded, stopped=stopped)


def _ask_all(engine: Engine, steps: _Steps, state: bisect.State, progress: Progress) -> str | None:
    """Test values until none is left; returns why it stopped early, if it did."""
    info = engine.info()
    while asks := state.next():
        planned: dict[int, PlannedRun] = {}
        for ask in asks:
            found = steps.plan(ask, state.values[ask.at])
            if isinstance(found, str):
                state.skip(ask.at, found)
                progress.say(f"{steps.along.axis} {state.values[ask.at]} is skipped: {found}")
            else:
                planned[ask.at] = found
        if not planned:
            continue
        for one in planned.values():
            check_host(engine, one)
        steps.write(str(info), state)
        stopped = _run(engine, steps, list(planned.values()), info, progress)
        results = {record.id: record.result for record in steps.run.load_results().records}
        for ask in asks:
            cell = steps.along.cell(state.values[ask.at]).id
            if ask.at in planned and (result := results.get(cell)):
                state.record(ask, cell, result)
        if stopped:
            return stopped
    steps.write(str(info), state)
    return None


def _run(
    engine: Engine, steps: _Steps, planned: Sequence[PlannedRun], info: EngineInfo, progress: Progress
) -> str | None:
    stop, host = threading.Event(), Arch.from_machine(info.arch)
    whole = steps.whole()
    cells = [item for one in planned for item in one.plan.cells]
    jobs = jobs_in_memory(steps.options.jobs, cells, info.memory, progress.say)
    slots = Slots(jobs, stop)
    runner = runner_for(engine, steps.along.project, whole, steps.run, host_arch=host, slots=slots)
    specs = {spec.key: spec for one in planned for spec in one.specs}
    progress.begin(len(specs), len(cells))
    schedule = Schedule(
        runner=replace(runner, repeat=steps.options.repeat),
        build=builder_for(engine, steps.run, steps.options.jobs, stop, progress),
        progress=progress,
        jobs=AHEAD * jobs,
        fail_fast=False,
        stop=stop,
    )
    schedule.execute(cells, specs.values())
    return schedule.stopped


@dataclass(kw_only=True)
class _Steps:
    """The cells that were tested so far, as one growing plan."""

    along: Along
    options: BisectOptions
    run: RunFolder
    _planned: dict[str, PlannedRun] = field(default_factory=dict)
    """The last plan of each value's cell."""

    def plan(self, ask: bisect.Ask, value: str) -> PlannedRun | str:
        """The plan of one value's cell, or why it cannot be tested."""
        prepare(self.along, value)
        request = Request(
            cells=frozenset({self.along.cell(value).id}),
            trials=ask.trials,
            enough=ask.enough,
            timeout=self.options.request.timeout,
            offline=self.options.request.offline,
            build_missing=self.options.request.build_missing,
            allow_empty=True,
        )
        try:
            planned = make_plan(self.along.project, request)
        except InputError as error:
            if self.along.axis != COMMIT:
                raise
            return error.what  # of its files alone: an early commit may have none of the package
        if not planned.plan.cells:
            return planned.plan.excluded[0].reason
        self._planned[value] = planned
        return planned

    def whole(self, excluded: tuple[ExcludedCells, ...] = ()) -> PlannedRun:
        """The plan of all cells that were tested."""
        every = list(self._planned.values())
        plan = every[0].plan.model_copy(
            update={
                "run": self.run.path.name,
                "profile": "bisect",
                "selection": self.options.words,
                "cells": PlannedCells.of(item for one in every for item in one.plan.cells),
                "images": tuple({image.key: image for one in every for image in one.plan.images}.values()),
                "excluded": excluded,
                "unavailable": (),
                "deselected": 0,
            }
        )
        specs = {spec.key: spec for one in every for spec in one.specs}
        locks = {digest: lock for one in every for digest, lock in one.locks.items()}
        return PlannedRun(plan=plan, specs=tuple(specs.values()), locks=locks)

    def write(self, engine: str, state: bisect.State) -> None:
        """Write that plan; all other values are excluded, with the reason."""
        if not self._planned:
            return
        reasons: dict[str, list[str]] = {}
        for at, value in enumerate(state.values):
            if value not in self._planned:
                reasons.setdefault(state.skipped.get(at, NOT_NEEDED), []).append(value)
        cell = self.along.cell(state.values[0])
        excluded = tuple(
            ExcludedCells(
                axes={
                    axis: tuple(values) if axis == self.along.axis else (value,)
                    for axis, value in cell.axes.items()
                },
                reason=reason,
            )
            for reason, values in reasons.items()
        )
        write_plan(self.whole(excluded), self.run, engine)
