"""Repeats a cell's process, also with another script, to confirm and reduce a hit."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from orchestrator import execute
from orchestrator.adapters.cache import cache_folder
from orchestrator.adapters.engine import Engine
from orchestrator.check import ASK, SCRIPT, TEXT, observed
from orchestrator.crash import StackCache
from orchestrator.execute import TrialCommand, TrialRequest, Variant
from orchestrator.model import (
    CellResult,
    Expectation,
    HazardResult,
    OutcomeKind,
    PlannedCell,
    Scenario,
    Trial,
)
from orchestrator.pipeline.sources import Sources
from orchestrator.pipeline.trials import TrialReader
from orchestrator.scratch import scratch_folder
from orchestrator.supervisor.targets import PYTEST

ANY_EXIT: Final = Expectation(kind=OutcomeKind.EXIT, because="")
"""So that the next trial of a container follows whatever status the one before ended with."""
MOST: Final = 8
"""Trials of one container."""
PATIENCE: Final = 30.0
"""The most seconds of a trial: a hanging script is run many times."""


@dataclass(frozen=True, kw_only=True)
class Reproducer:
    """Repeats one cell of a run in its own image."""

    engine: Engine
    planned: PlannedCell
    result: CellResult
    scenario: Scenario
    stack_cache: StackCache = field(default_factory=StackCache)

    def again(self, count: int) -> list[tuple[HazardResult, str | None]]:
        """The results of `count` further trials, each with its signature."""
        found: list[tuple[HazardResult, str | None]] = []
        while len(found) < count:
            found += self._shown([""] * (count - len(found)))
        return found

    def first(
        self, scripts: Sequence[str], wanted: tuple[HazardResult, str | None], trials: int
    ) -> int | None:
        """The position of the first of these scripts that shows the wanted result within some trials."""
        asked = [(place, script) for place, script in enumerate(scripts) for _ in range(trials)]
        while asked:
            shown = self._shown([script for _, script in asked])
            for (place, _), what in zip(asked, shown, strict=False):
                if what == wanted:
                    return place
            asked = asked[len(shown) :]
        return None

    def output(self, script: str) -> str:
        """The stdout of a script in one trial, however it ends."""
        with scratch_folder("check", cache_folder("scratch")) as root:
            (outcome,) = execute.run_trials(self.engine, self._request([script], root))
            return (root / outcome.stdout).read_text("utf-8", "replace")

    def script(self) -> str:
        """The hazard's script as the cell ran it; empty where it cannot be had."""
        lines = (line for line in self.output(ASK).splitlines() if line.startswith(TEXT))
        return next((str(json.loads(line.removeprefix(TEXT))) for line in lines), "")

    def _shown(self, scripts: Sequence[str]) -> list[tuple[HazardResult, str | None]]:
        """The results of one container's trials: of the first scripts, up to one that crashes or hangs."""
        with scratch_folder("check", cache_folder("scratch")) as root:
            request = self._request(scripts, root)
            outcomes = execute.run_trials(self.engine, request)
            reader = TrialReader(
                engine=self.engine,
                root=root,
                stack_cache=lambda: self.stack_cache,
                request=request,
                sources=Sources(scenario=self.scenario),
            )
            return [_observed(root, trial) for trial in reader.read(outcomes)]

    def _timeout(self) -> float:
        """Seconds of a trial: an instrument makes it slower, and tests of a package have all their time."""
        if self.scenario.code and self.scenario.code.kind == PYTEST:
            return self.planned.timeout
        slower = self.planned.timeout / self.scenario.timeout
        return min(self.planned.timeout, PATIENCE * max(1.0, slower))

    def _request(self, scripts: Sequence[str], root: Path) -> TrialRequest:
        cell, code = self.planned.cell, self.scenario.code
        own = execute.axis_variables(cell)
        variants = (
            Variant(
                folder=root / f"trial-{number}",
                env={**own, SCRIPT: script} if script else own,
                options=self.planned.options,
            )
            for number, script in enumerate(scripts[:MOST])
        )
        return TrialRequest(
            command=TrialCommand(
                cell=cell,
                target=self.scenario.target(cell.probe),
                timeout=self._timeout(),
                env=code.env if code else {},
                network=self.planned.network,
                memory=self.planned.memory,
                serving=self.scenario.serving,
            ),
            expectation=ANY_EXIT,
            image=self.result.image_id or "",
            first=1,
            count=len(scripts[:MOST]),
            root=root,
            folder=root,
            labels=execute.owner_labels(self.result.run, cell, 1),
            variants=tuple(variants),
        )


def _observed(root: Path, trial: Trial) -> tuple[HazardResult, str | None]:
    def read(name: str) -> str:
        return (root / name).read_bytes()[: 64 << 10].decode("utf-8", "replace")

    return observed(trial, read)
