"""Select the trials of a cell whose evidence is kept: all informative ones, and a few of the others."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from orchestrator.adapters.files import remove_tree
from orchestrator.model import Judgement, OutcomeKind, Trial, Verdict

TELLING: Final = 20
"""The most crashes, hangs and failures that are kept of a cell; each may have a core of many megabytes."""
QUIET: Final = 3
"""The most other trials that are kept: expected endings, and races that were not lost."""


@dataclass
class Evidence:
    """The trials of one cell whose evidence is kept; `not_kept` counts the others."""

    kept: list[Trial] = field(default_factory=list)
    not_kept: int = 0
    _telling: int = 0

    def add(self, trial: Trial, judgement: Judgement, *, must_crash: bool, folder: Path) -> None:
        """Keep a trial, or remove its `folder` if enough similar ones are kept.

        Raises HostError where the folder cannot be removed.
        """
        ended = trial.outcome.kind is OutcomeKind.EXIT and not trial.others
        quiet = ended and (must_crash or judgement.verdict is Verdict.PASS)
        alike = len(self.kept) - self._telling if quiet else self._telling
        decides = judgement.verdict is Verdict.ERROR or (must_crash and judgement.verdict is Verdict.PASS)
        if alike >= (QUIET if quiet else TELLING) and not decides:
            self.not_kept += 1
            remove_tree(folder, "evidence of a trial that is not kept")
            return
        self._telling += not quiet
        self.kept.append(trial)
