"""One cell: trials until it is settled, their cores read, and the verdict on disk."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from orchestrator import cores, execute, verdict
from orchestrator.adapters import room
from orchestrator.adapters.engine import Engine
from orchestrator.crash import StackCache
from orchestrator.errors import BuildError, EngineError, NotAskedError, NotStartedError, UnreportedError
from orchestrator.execute import TrialCommand, TrialRequest, Variant
from orchestrator.invocation import command
from orchestrator.model import (
    Arch,
    Cell,
    CellResult,
    FailedImage,
    ImageSpec,
    Judgement,
    Obstacle,
    Outcome,
    PackageLock,
    PlannedCell,
    Rate,
    Scenario,
    Unobserved,
    in_series,
)
from orchestrator.pipeline import sharing
from orchestrator.pipeline.evidence import Evidence
from orchestrator.pipeline.observation import observation_of
from orchestrator.pipeline.slots import Slot, Slots
from orchestrator.pipeline.sources import Sources
from orchestrator.pipeline.trials import TrialReader
from orchestrator.rundir import RunFolder, layout
from orchestrator.verdict import Tally

LOG_LINES: Final = 5
"""Lines of a failed build's log that are kept by each cell that needs the image."""


@dataclass(frozen=True, kw_only=True)
class CellRunner:
    """Runs cells of one run on an engine; `host_arch` is the architecture of the engine's machine.

    Once `stop` is set, a running cell ends after its container, and no other container is started.
    """

    engine: Engine
    run_name: str
    run_folder: RunFolder
    project: Path
    scenarios: dict[str, Scenario]
    specs: dict[str, ImageSpec]
    host_arch: Arch
    slots: Slots
    """How many of its containers may be up."""
    locks: Mapping[str, PackageLock] = field(default_factory=dict)
    """The packages of its cells, by digest."""
    stack_cache: StackCache = field(default_factory=StackCache)
    repeat: Callable[[Cell], str] | None = None
    """The shell command that repeats a cell; None: as a run names one."""

    @property
    def stop(self) -> threading.Event:
        """Set once the run is to end."""
        return self.slots.stop

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self.run_folder.path

    def run(self, planned: PlannedCell, image: str) -> CellResult:
        """Run a cell and write its result; raises HostError if nothing could be observed."""
        try:
            return self._run(planned, image)
        except OSError as error:
            raise room.explained(error, self.folder) from error

    def _run(self, planned: PlannedCell, image: str) -> CellResult:
        started, clock, slot = datetime.now(UTC), time.monotonic(), self.slots.slot()
        tally, evidence = verdict.Tally(planned.expectation, planned.enough), Evidence()
        share = planned.trials_per_container if planned.cell.arch is self.host_arch else 1
        # Files of an earlier attempt must not become evidence of this one.
        self.run_folder.clear_cell(planned.cell)
        done = 0
        while done < planned.trials and not tally.settled and not (done and self.stop.is_set()):
            request = self._request(planned, image, done + 1, min(share, planned.trials - done))
            try:
                outcomes = [_as_planned(planned, outcome) for outcome in self._run_trials(request, slot)]
            except NotStartedError:
                if done:
                    break
                raise
            done += len(outcomes)
            self._look(request, outcomes, tally, evidence)
        judgement = tally.judgement
        if done < planned.trials and not tally.settled:
            judgement = verdict.judge_error(f"stopped after {done} of {planned.trials} trials")
        return self._result(
            planned, judgement, image, evidence, rate=tally.rate, started=started, clock=clock + slot.waited
        )

    def groups(self, cells: Iterable[PlannedCell]) -> Iterator[Sequence[PlannedCell]]:
        """The cells of one image, those together that share a container."""
        return sharing.groups(cells, self.scenarios, self.host_arch)

    def run_together(self, cells: Sequence[PlannedCell], image: str) -> tuple[CellResult, ...]:
        """Run cells in one container until one must be examined; the results of the first ones.

        Raises HostError if nothing could be observed.
        """
        started, clock, slot = datetime.now(UTC), time.monotonic(), self.slots.slot()
        for planned in cells:
            self.run_folder.clear_cell(planned.cell)
        request = self._request_for(cells, image)
        outcomes = [
            _as_planned(planned, outcome)
            for planned, outcome in zip(cells, self._run_trials(request, slot), strict=False)
        ]
        results = []
        for planned, trial in zip(cells, self._reader(request).read(outcomes), strict=False):
            tally, evidence = verdict.Tally(planned.expectation), Evidence()
            judgement = tally.add(observation_of(self.folder, trial))
            evidence.add(trial, judgement, must_crash=False, folder=self._trial_folder(planned))
            own = clock + slot.waited if len(outcomes) == 1 else time.monotonic() - trial.outcome.seconds
            results.append(
                self._result(
                    planned, tally.judgement, image, evidence, rate=tally.rate, started=started, clock=own
                )
            )
        for planned in cells[len(results) :]:
            self.run_folder.clear_cell(planned.cell)
        return tuple(results)

    def unobserved(self, planned: PlannedCell, why: Exception, image: str | None = None) -> CellResult:
        """Write the result of a cell that could not be observed: `error`; `why` is what was raised."""
        return self._result(planned, verdict.judge_error(str(why)), image, unobserved=_obstacle(why))

    def kill(self) -> None:
        """Remove the containers of this run, which are all of this process's."""
        execute.remove_own(self.engine)

    def answers(self) -> bool:
        """Whether the engine answers."""
        return self.engine.answers()

    def returns(self, say: Callable[[str], None]) -> bool:
        """Whether the engine answers again, within its time."""
        return self.engine.returns(self.stop, say)

    def _request(self, planned: PlannedCell, image: str, first: int, count: int) -> TrialRequest:
        return TrialRequest(
            command=self._command(planned),
            expectation=planned.expectation,
            image=image,
            first=first,
            count=count,
            root=self.folder,
            folder=self.folder / layout.cell_folder(planned.cell),
            labels=execute.owner_labels(self.run_name, planned.cell, first),
        )

    def _request_for(self, cells: Sequence[PlannedCell], image: str) -> TrialRequest:
        """One trial of each of several cells, in one container."""
        first = cells[0]
        variants = (
            Variant(
                folder=self._trial_folder(item), env=execute.axis_variables(item.cell), options=item.options
            )
            for item in cells
        )
        request = self._request(first, image, 1, len(cells))
        return replace(request, command=replace(request.command, options=()), variants=tuple(variants))

    def _trial_folder(self, planned: PlannedCell) -> Path:
        return self.folder / layout.cell_folder(planned.cell) / "trial-1"

    def _reader(self, request: TrialRequest) -> TrialReader:
        return TrialReader(
            engine=self.engine,
            root=self.folder,
            stack_cache=self.stack_cache,
            request=request,
            sources=Sources(scenario=self.scenarios[request.command.cell.scenario]),
        )

    def _command(self, planned: PlannedCell) -> TrialCommand:
        return command_of(self.scenarios[planned.cell.scenario], planned, self.host_arch)

    def _run_trials(self, request: TrialRequest, slot: Slot) -> Sequence[Outcome]:
        """Run trials; the error of a container without a report names the cores that it left."""
        try:
            return execute.run_trials(self.engine, request, slot)
        except UnreportedError as error:
            crashes = cores.crashes_in(error.hostname, error.container)
            error.what += f", and {crashes}" if crashes else ""
            raise

    def _look(
        self, request: TrialRequest, outcomes: Sequence[Outcome], tally: Tally, evidence: Evidence
    ) -> None:
        """Collect and read the cores of a container's trials, judge each, and keep what is informative."""
        reader = self._reader(request)
        must_crash = request.expectation.must_crash
        for index, trial in enumerate(reader.read(outcomes)):
            judgement = tally.add(observation_of(self.folder, trial))
            evidence.add(trial, judgement, must_crash=must_crash, folder=request.trial_folder(index))

    def _result(
        self,
        planned: PlannedCell,
        judgement: Judgement,
        image: str | None,
        evidence: Evidence | None = None,
        *,
        unobserved: Unobserved | None = None,
        rate: Rate | None = None,
        started: datetime | None = None,
        clock: float | None = None,
    ) -> CellResult:
        cell, evidence = planned.cell, evidence or Evidence()
        result = CellResult(
            run=self.run_name,
            cell=cell,
            image=planned.image,
            image_id=image,
            expectation=planned.expectation,
            lock=planned.lock,
            packages=self.locks[planned.lock].pins if planned.lock else {},
            built=planned.built,
            network=planned.network,
            memory=planned.memory,
            judgement=judgement,
            unobserved=unobserved,
            trials=tuple(evidence.kept),
            not_kept=evidence.not_kept,
            rate=rate,
            started=(started or datetime.now(UTC)).isoformat(timespec="milliseconds"),
            seconds=0.0 if clock is None else round(time.monotonic() - clock, 3),
            repeat=self.repeat(cell)
            if self.repeat
            else command("run", *_with_packages(planned), "--cell", cell.id, project=self.project),
            by_hand=self._command(planned).by_hand(self.specs[planned.image].tag),
        )
        self.run_folder.write_result(result)
        return result


def _with_packages(planned: PlannedCell) -> tuple[str, ...]:
    """The flag without which a cell would be excluded."""
    return ("--build-missing",) if planned.built else ()


def command_of(scenario: Scenario, planned: PlannedCell, host: Arch) -> TrialCommand:
    """How a container of a machine of this architecture runs a cell."""
    code = scenario.code
    return TrialCommand(
        cell=planned.cell,
        target=scenario.target(planned.cell.probe),
        timeout=planned.timeout,
        emulated=planned.cell.arch is not host,
        options=planned.options,
        env=code.env if code else {},
        network=planned.network,
        memory=planned.memory,
        serving=scenario.serving,
    )


def _obstacle(why: Exception) -> Unobserved:
    """Why a cell was not observed, from the error."""
    if isinstance(why, EngineError):
        return Unobserved(obstacle=Obstacle.ENGINE)
    if isinstance(why, NotAskedError):
        return Unobserved(obstacle=Obstacle.GATE)
    failed = why.failed if isinstance(why, BuildError) else None
    if failed is None:
        return Unobserved(obstacle=Obstacle.HOST)
    image = FailedImage(
        role=failed.role,
        step=failed.step,
        error=failed.lines[0].strip(),
        lines=failed.lines[:LOG_LINES],
        log=layout.build_log(failed.folder),
    )
    return Unobserved(obstacle=Obstacle.IMAGE, image=image)


def _as_planned(planned: PlannedCell, outcome: Outcome) -> Outcome:
    """An outcome, with a note if its interpreter is not the release that the plan was made for."""
    wanted, seen = planned.made_of, outcome.versions.get("python")
    if wanted is None or seen is None or in_series(seen, wanted.version):
        return outcome
    note = (
        f"planned for CPython {wanted.version}, but {wanted.base} brings {seen}: update images/catalogue.yaml"
    )
    return outcome.model_copy(update={"notes": (*outcome.notes, note)})
