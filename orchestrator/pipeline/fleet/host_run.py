"""One run at a host of a fleet: its images are made, its cells run, and its evidence is read here."""

import os
import socket
import stat
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from orchestrator import execute, images
from orchestrator.adapters.engine import Engine
from orchestrator.adapters.inside import find_inside
from orchestrator.errors import BuildError, CrashmatrixError, HostError
from orchestrator.images.exchange import Exchange
from orchestrator.model import Arch, CellResult, ImageSpec, Obstacle, Scenario
from orchestrator.pipeline.cell import CellRunner
from orchestrator.pipeline.fleet import content
from orchestrator.pipeline.fleet.messages import CHUNK, Failure, File, Made, Make, Piece, Ran, Read, Run
from orchestrator.pipeline.schedule import Schedule
from orchestrator.pipeline.slots import Slots
from orchestrator.rundir import RunFolder, layout


@dataclass(kw_only=True)
class Told:
    """The progress of one order: its lines for the terminal, and the images that it built."""

    said: list[str] = field(default_factory=list)
    built: list[str] = field(default_factory=list)
    results: list[CellResult] = field(default_factory=list)

    def begin(self, images: int, cells: int) -> None:
        """Nothing: the run counts."""

    def image_started(self, role: str) -> None:
        """Nothing: the run knows what it asked for."""

    def image_ended(self, role: str, seconds: float, error: str | None) -> None:  # noqa: ARG002 - the order's answer has them
        """Note what was built."""
        if error is None:
            self.built.append(role)

    def cell_started(self, cell: str) -> None:
        """Nothing: the run knows what it asked for."""

    def cell_ended(self, result: CellResult) -> None:
        """Note a result."""
        self.results.append(result)

    def say(self, text: str) -> None:
        """Note a line for the run's terminal."""
        self.said.append(text)


@dataclass(frozen=True, kw_only=True)
class HostRun:
    """One run at this host."""

    token: str
    engine: Engine
    folder: Path
    scenarios: dict[str, Scenario]
    count: int
    """How many of its containers may be up at once."""
    slots: Slots
    exchange: Exchange | None
    registry: str | None
    arch: Arch
    specs: dict[str, ImageSpec] = field(default_factory=dict)

    @cached_property
    def runner(self) -> CellRunner:
        """What runs its cells. A container's label has the token, which no other run has."""
        return CellRunner(
            engine=self.engine,
            run_name=self.token,
            run_folder=RunFolder(self.folder),
            project=self.folder,
            scenarios=self.scenarios,
            specs=self.specs,
            host_arch=self.arch,
            slots=self.slots,
            repeat=lambda _: "",
        )

    def make(self, order: Make) -> Made:
        """Pull or build an image."""
        spec, told, began = order.specs[-1], Told(), time.monotonic()
        self.specs.update({item.key: item for item in order.specs})
        if found := self.engine.built(spec.tag, spec.key) or self._pulled(spec):
            return Made(image=found)
        if needs := content.missing(order.specs):
            return Made(needs=needs)
        result: str | CrashmatrixError = HostError("the run was stopped", hint="resume the run")

        def on_ready(key: str, found: str | CrashmatrixError) -> None:
            nonlocal result
            result = found if key == spec.key else result

        placed = [content.placed(item, self.folder) for item in order.specs]
        images.build_all(
            self.engine, placed, jobs=2, logs=self.folder / layout.IMAGES, stop=self.slots.stop,
            on_ready=on_ready, progress=told, registry=self.registry,
        )  # fmt: skip
        return Made(
            image=result if isinstance(result, str) else None,
            failure=None if isinstance(result, str) else _failure(result),
            seconds=time.monotonic() - began,
            built=tuple(told.built),
            said=tuple(told.said),
        )

    def _pulled(self, spec: ImageSpec) -> str | None:
        return self.exchange.take(spec) if self.exchange else None

    def run(self, order: Run) -> tuple[Ran, list[bytes]]:
        """Run groups of cells of one image, each of which may share a container."""
        told = Told()
        schedule = Schedule(
            runner=self.runner, build=lambda _specs, _ready: None, progress=told, jobs=1, fail_fast=False,
            stop=self.slots.stop,
        )  # fmt: skip
        # The run restores what the plan says of packages: this host has no locks.
        groups = [[item.model_copy(update={"lock": None}) for item in group] for group in order.groups]
        for group in groups:
            schedule.run_group(group, order.image)
        unseen = [item for item in told.results if item.unobserved]
        failed = next((item.judgement.reason for item in unseen), None)
        seen = [item for item in told.results if not _is_infrastructure(item)]
        return self._ran(seen, failed, stopped=len(told.results) < sum(map(len, groups)))

    def _ran(
        self, seen: Sequence[CellResult], failed: str | None, *, stopped: bool
    ) -> tuple[Ran, list[bytes]]:
        sent: list[tuple[File, bytes]] = []
        left: list[File] = []
        cores: list[File] = []
        room = CHUNK
        stay = {core.path for item in seen for trial in item.trials for core, _ in trial.cores}
        for name in (
            name for item in seen for name in files_below(self.folder, layout.cell_folder(item.cell))
        ):
            path = self.folder / name
            file = File(name=name, size=path.stat().st_size)
            if name in stay or f"/{execute.KEPT_FILES}/" in name:
                cores.append(file)
            elif file.size <= room:
                room -= file.size
                sent.append((file, path.read_bytes()))
            else:
                left.append(file)
        answer = Ran(
            host=socket.gethostname(), folder=str(self.folder), files=tuple(file for file, _ in sent),
            left=tuple(left), cores=tuple(cores), failed=failed, stopped=stopped and failed is None,
        )  # fmt: skip
        return answer, [data for _, data in sent]

    def read(self, order: Read) -> tuple[Piece, list[bytes]]:
        """A piece of a file of the run's folder."""
        stream = find_inside(self.folder, order.name)
        if stream is None:
            raise HostError(f"{order.name} is not there any more", hint="run the cell again")
        with stream:
            stream.seek(order.offset)
            data = stream.read(CHUNK)
        return Piece(files=(File(name=order.name, size=len(data)),)), [data]


def files_below(root: Path, name: str) -> Iterator[str]:
    """The regular files below a folder of the run, by their names in it."""
    for folder, _, names in os.walk(root / name):
        for file in sorted(names):
            path = Path(folder) / file
            if stat.S_ISREG(path.lstat().st_mode):
                yield str(path.relative_to(root))


def _is_infrastructure(result: CellResult) -> bool:
    return result.unobserved is not None and result.unobserved.obstacle in (Obstacle.ENGINE, Obstacle.HOST)


def _failure(error: CrashmatrixError) -> Failure:
    failed = error.failed if isinstance(error, BuildError) else None
    return Failure(
        recipe=failed is not None,
        what=error.what,
        hint=error.hint,
        role=failed.role if failed else None,
        folder=failed.folder if failed else "",
        step=failed.step if failed else None,
        lines=failed.lines if failed else (),
    )
