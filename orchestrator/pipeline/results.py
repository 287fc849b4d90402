"""The results of a run's cells: what was seen, beside what the plan says of the cell."""

from __future__ import annotations

__lazy_modules__ = ("orchestrator",)

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from orchestrator import verdict
from orchestrator.errors import BuildError, EngineError, NotAskedError
from orchestrator.execute import TrialCommand
from orchestrator.invocation import command
from orchestrator.model import (
    Arch,
    Cell,
    CellResult,
    FailedImage,
    ImageSpec,
    Judgement,
    Obstacle,
    PackageLock,
    PlannedCell,
    Rate,
    Scenario,
    Unobserved,
)
from orchestrator.pipeline.evidence import Evidence
from orchestrator.rundir import RunFolder, layout

LOG_LINES: Final = 5
"""Lines of a failed build's log that are kept by each cell that needs the image."""


@dataclass(frozen=True, kw_only=True)
class Results:
    """Makes and writes the results of one run's cells; `host_arch` is that of the machine that runs them."""

    run_name: str
    run_folder: RunFolder
    project: Path
    scenarios: Mapping[str, Scenario]
    specs: Mapping[str, ImageSpec]
    host_arch: Arch
    locks: Mapping[str, PackageLock] = field(default_factory=dict)
    """The packages of its cells, by digest."""
    repeat: Callable[[Cell], str] | None = None
    """The shell command that repeats a cell; None: as a run names one."""

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self.run_folder.path

    def command(self, planned: PlannedCell) -> TrialCommand:
        """How a container runs a cell."""
        return command_of(self.scenarios[planned.cell.scenario], planned, self.host_arch)

    def unobserved(self, planned: PlannedCell, why: Exception, image: str | None = None) -> CellResult:
        """Write the result of a cell that could not be observed: `error`; `why` is what was raised."""
        return self.make(planned, verdict.judge_error(str(why)), image, unobserved=_obstacle(why))

    def declared(self, image: str | None) -> frozenset[str]:  # noqa: ARG002 - where there is an engine
        """The folders that an image declares as volumes; none where no engine can tell."""
        return frozenset()

    def planned(self, planned: PlannedCell, image: str | None = None) -> dict[str, object]:
        """What a result says of its cell's plan."""
        cell = planned.cell
        return {
            "run": self.run_name,
            "cell": cell,
            "image": planned.image,
            "expectation": planned.expectation,
            "lock": planned.lock,
            "packages": self.locks[planned.lock].pins if planned.lock else {},
            "built": planned.built,
            "network": planned.network,
            "memory": planned.memory,
            "repeat": self.repeat(cell)
            if self.repeat
            else command("run", *_with_packages(planned), "--cell", cell.id, project=self.project),
            "by_hand": self.command(planned).by_hand(self.specs[planned.image].tag, self.declared(image)),
        }

    def make(
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
        """Write the result of a cell; `clock` is when it began, on the monotonic clock."""
        evidence = evidence or Evidence()
        seen = {
            "image_id": image,
            "judgement": judgement,
            "unobserved": unobserved,
            "trials": tuple(evidence.kept),
            "not_kept": evidence.not_kept,
            "rate": rate,
            "started": (started or datetime.now(UTC)).isoformat(timespec="milliseconds"),
            "seconds": 0.0 if clock is None else round(time.monotonic() - clock, 3),
        }
        result = CellResult.model_validate(self.planned(planned, image) | seen)
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
