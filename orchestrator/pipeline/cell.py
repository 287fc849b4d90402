"""One cell: trials until it is settled, their cores read, and the verdict on disk."""

from __future__ import annotations

__lazy_modules__ = ("orchestrator",)

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from orchestrator import cores, crash, execute, verdict
from orchestrator.adapters import room
from orchestrator.adapters.engine import Engine
from orchestrator.adapters.files import remove_tree
from orchestrator.errors import HostError, InputError, NotStartedError, UnreportedError
from orchestrator.execute import TrialRequest, Variant
from orchestrator.model import CellResult, Outcome, PlannedCell, Trial, Verdict, in_series
from orchestrator.pipeline import sharing
from orchestrator.pipeline.batches import Batches
from orchestrator.pipeline.evidence import Evidence
from orchestrator.pipeline.observation import observation_of
from orchestrator.pipeline.results import Results
from orchestrator.pipeline.slots import Slot, Slots
from orchestrator.pipeline.sources import Sources
from orchestrator.pipeline.trials import TrialReader
from orchestrator.rundir import layout
from orchestrator.verdict import Tally


@dataclass(frozen=True, kw_only=True)
class CellRunner(Results):
    """Runs cells of one run on an engine; `host_arch` is the architecture of the engine's machine.

    Once `stop` is set, a running cell ends after its container, and no other container is started.
    """

    engine: Engine
    slots: Slots
    """How many of its containers may be up."""

    @cached_property
    def stack_cache(self) -> crash.StackCache:
        """The stacks that this run has read; made for the first core, since few runs have one."""
        return crash.StackCache()

    @property
    def stop(self) -> threading.Event:
        """Set once the run is to end."""
        return self.slots.stop

    def declared(self, image: str | None) -> frozenset[str]:
        """The folders that an image declares as volumes, as the engine told when it made the container."""
        with suppress(HostError, InputError):
            return self.engine.declared_volumes(image) if image else frozenset()
        return frozenset()

    def run(self, planned: PlannedCell, image: str) -> CellResult:
        """Run a cell and write its result; raises HostError if nothing could be observed."""
        try:
            with self.slots.cell():
                return self._run(planned, image)
        except OSError as error:
            raise room.explained(error, self.folder) from error

    def _run(self, planned: PlannedCell, image: str) -> CellResult:
        started, clock, waited, done = datetime.now(UTC), time.monotonic(), 0.0, 0
        tally, evidence = verdict.Tally(planned.expectation, planned.enough), Evidence()
        # Files of an earlier attempt must not become evidence of this one.
        self.run_folder.clear_cell(planned.cell)
        with self._batches(planned, image) as batches:
            while not tally.settled:
                # The first crash settles a cell that must crash, and most of them crash in the first trials.
                batch = batches.next(ahead=bool(done) or not planned.expectation.must_crash)
                if batch is None:
                    break
                try:
                    outcomes = [_as_planned(planned, outcome) for outcome in batch.outcomes()]
                except NotStartedError:
                    if done:
                        break
                    raise
                waited = waited if done else batch.slot.waited
                done += len(outcomes)
                batches.repeat(batch, len(outcomes))
                self._look(batch.request, outcomes, tally, evidence)
        judgement = tally.judgement
        if done < planned.trials and not tally.settled:
            judgement = verdict.judge_error(f"stopped after {done} of {planned.trials} trials")
        return self.make(
            planned, judgement, image, evidence, rate=tally.rate, started=started, clock=clock + waited
        )

    def _batches(self, planned: PlannedCell, image: str) -> Batches:
        return Batches(
            trials=planned.trials,
            share=planned.trials_per_container if planned.cell.arch is self.host_arch else 1,
            slots=self.slots,
            request=lambda first, count: self._request(planned, image, first, count),
            run=lambda batch: self._run_trials(batch.request, batch.slot, batch.hostname),
            kill=self.engine.kill,
            forget=_forget,
        )

    def groups(self, cells: Iterable[PlannedCell]) -> Iterator[Sequence[PlannedCell]]:
        """The cells of one image, those together that share a container."""
        return sharing.groups(cells, self.scenarios, self.host_arch, self.slots.count)

    def run_together(self, cells: Sequence[PlannedCell], image: str) -> tuple[CellResult, ...]:
        """Run cells in one container until one must be examined; the results of the first ones.

        Raises HostError if nothing could be observed.
        """
        with self.slots.cell():
            return self._run_together(cells, image)

    def _run_together(self, cells: Sequence[PlannedCell], image: str) -> tuple[CellResult, ...]:
        started, clock, slot = datetime.now(UTC), time.monotonic(), self.slots.slot()
        for planned in cells:
            self.run_folder.clear_cell(planned.cell)
        request = self._request_for(cells, image)
        outcomes = [
            _as_planned(planned, outcome)
            for planned, outcome in zip(cells, self._run_trials(request, slot), strict=False)
        ]
        results: list[CellResult] = []
        for planned, trial in zip(cells, self._reader(request).read(outcomes), strict=False):
            tally, evidence = verdict.Tally(planned.expectation), Evidence()
            judgement = tally.add(observation_of(self.folder, trial))
            seen = trial if judgement.verdict is Verdict.PASS else _ran_after(len(results), trial)
            evidence.add(seen, judgement, must_crash=False, folder=self._trial_folder(planned))
            own = clock + slot.waited if len(outcomes) == 1 else time.monotonic() - trial.outcome.seconds
            results.append(
                self.make(
                    planned, tally.judgement, image, evidence, rate=tally.rate, started=started, clock=own
                )
            )
        for planned in cells[len(results) :]:
            self.run_folder.clear_cell(planned.cell)
        return tuple(results)

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
            command=self.command(planned),
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
            stack_cache=lambda: self.stack_cache,
            request=request,
            sources=Sources(scenario=self.scenarios[request.command.cell.scenario]),
        )

    def _run_trials(
        self, request: TrialRequest, slot: Slot, hostname: str | None = None
    ) -> Sequence[Outcome]:
        """Run trials; the error of a container without a report names the cores that it left."""
        try:
            return execute.run_trials(self.engine, request, slot, hostname)
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


def _forget(request: TrialRequest) -> None:
    """Remove what trials wrote that the verdict does not need."""
    for index in range(request.count):
        remove_tree(request.trial_folder(index), "evidence of a trial that is not needed")


def _ran_after(cells: int, trial: Trial) -> Trial:
    """A trial, with a note if so many cells ran in its container before it."""
    if not cells:
        return trial
    ran = "1 cell" if cells == 1 else f"{cells} cells"
    note = f"{ran} ran in its container before it; `share: 1` in the scenario gives each its own"
    noted = trial.outcome.model_copy(update={"notes": (*trial.outcome.notes, note)})
    return trial.model_copy(update={"outcome": noted})


def _as_planned(planned: PlannedCell, outcome: Outcome) -> Outcome:
    """An outcome, with a note if its interpreter is not the release that the plan was made for."""
    wanted, seen = planned.made_of, outcome.versions.get("python")
    if wanted is None or seen is None or in_series(seen, wanted.version):
        return outcome
    note = (
        f"planned for CPython {wanted.version}, but {wanted.base} brings {seen}: update images/catalogue.yaml"
    )
    return outcome.model_copy(update={"notes": (*outcome.notes, note)})
