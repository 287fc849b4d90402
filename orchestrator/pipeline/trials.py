"""The trials of a container after its end: the cores of all their processes, collected and read."""

from __future__ import annotations

__lazy_modules__ = ("orchestrator", "orchestrator.binary.core")

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator import cores, crash
from orchestrator.adapters.cache import cache_folder
from orchestrator.adapters.engine import Engine
from orchestrator.binary.core import corefile, unpack
from orchestrator.errors import CoreError, ToolError
from orchestrator.execute import KEPT_FILES, TrialRequest
from orchestrator.model import (
    LABEL,
    Children,
    CoreFile,
    CoreState,
    Crash,
    OtherCrash,
    Outcome,
    OutcomeKind,
    Trial,
)
from orchestrator.pipeline.sources import Sources


@dataclass(frozen=True, kw_only=True)
class TrialReader:
    """Reads the cores of one container's trials; `root` is the run's folder."""

    engine: Engine
    root: Path
    stack_cache: Callable[[], crash.StackCache]
    """Gives the stacks that were read before; asked at a core, since few trials have one."""
    request: TrialRequest
    sources: Sources

    def read(self, outcomes: Sequence[Outcome]) -> Iterator[Trial]:
        """The trials of the container in their order."""
        # The judged cores come first: one may take a while to arrive, and others will have arrived by then.
        collected = [self._collect(index, outcome) for index, outcome in enumerate(outcomes)]
        others = self._others(outcomes)
        for index, outcome in enumerate(outcomes):
            yield self._trial(index, outcome, collected[index], others[index])

    def _trial(self, index: int, outcome: Outcome, core: CoreFile, others: cores.Others) -> Trial:
        core, read = self._crash(others.own or core, index, hang=outcome.kind is OutcomeKind.HANG)
        if others.note and self.request.expectation.children is not Children.ALLOWED:
            outcome = outcome.model_copy(update={"notes": (*outcome.notes, others.note)})
        return Trial(
            number=self.request.number(index),
            outcome=outcome,
            core=core,
            crash=read,
            others=tuple(self._other(item, index) for item in others.crashes),
            others_left_out=others.left_out,
            disagreement=others.disagreement,
        )

    def _other(self, item: OtherCrash, index: int) -> OtherCrash:
        core, read = self._crash(item.core, index)
        return item.model_copy(update={"core": core, "crash": read})

    def _collect(self, index: int, outcome: Outcome) -> CoreFile:
        """The core of a trial's judged process."""
        if outcome.kind in (OutcomeKind.EXIT, OutcomeKind.OOM):
            return CoreFile(state=CoreState.NONE)
        if self._no_core:
            return CoreFile(state=CoreState.NONE, note=self._no_core)
        return cores.collect(outcome, folder=self.request.trial_folder(index), root=self.root)

    def _others(self, outcomes: Sequence[Outcome]) -> Sequence[cores.Others]:
        if self._no_core:
            return [cores.Others() for _ in outcomes]
        folders = [self.request.trial_folder(index) for index in range(len(outcomes))]
        return cores.collect_others(outcomes, folders=folders, root=self.root)

    @property
    def _no_core(self) -> str | None:
        instrument = self.request.command.instrument
        return instrument.no_core if instrument else None

    def _crash(self, core: CoreFile, index: int, *, hang: bool = False) -> tuple[CoreFile, Crash | None]:
        """A core that was read, if there is one; a note on it says why it could not be."""
        if core.state is not CoreState.FOUND or core.path is None:
            return core, None
        try:
            return core, self._read(self.root / core.path, index, hang=hang)
        except (CoreError, ToolError) as error:
            return core.model_copy(update={"note": f"the core could not be read: {error}"}), None

    def _read(self, path: Path, index: int, *, hang: bool) -> Crash:
        request = self.request
        labels = {**request.labels, LABEL: "sysroot"}
        with unpack.plain_core(path) as plain, corefile.open_core(plain) as opened:
            core, sysroot = cores.image_sysroot(
                self.engine,
                request.image,
                opened,
                cache=cache_folder(cores.SYSROOTS),
                labels=labels,
                kept=request.trial_folder(index) / KEPT_FILES,
            )
            origin = f"trial {request.number(index)} of {request.command.cell.id}"
            cached = crash.CacheContext(cache=self.stack_cache(), image=request.image, origin=origin)
            read = crash.read_crash(plain, core, sysroot, cached=cached, hang=hang)
            crash.prepare(core)  # the run's next core is likely to be such a one
            return self.sources.add(read)
