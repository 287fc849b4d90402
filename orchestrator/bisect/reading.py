"""The ways in which a cell's trials ended, which a bisection compares."""

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.model import CellResult, OutcomeKind, Trial, Verdict


@dataclass(frozen=True, kw_only=True)
class Endings:
    """The endings of a cell's trials. `kept`: how many of those whose evidence was kept ended in each way."""

    kept: Mapping[str, int]
    severe: frozenset[str]
    """Those that are a crash, a hang, an end for lack of memory, or an exit with a crash beside it."""
    trials: int
    failed: int
    """Trials that were not as the scenario expects."""
    unusable: str = ""
    """Why they say nothing about the environment, if so."""

    @property
    def mild(self) -> frozenset[str]:
        """The endings that are not severe."""
        return frozenset(self.kept) - self.severe

    def count(self, endings: frozenset[str]) -> int:
        """The trials that ended in one of these ways; one that was not kept ended as a kept one did."""
        known = sum(number for ending, number in self.kept.items() if ending in endings)
        dropped = self.trials - sum(self.kept.values())
        if self.kept.keys() <= endings:
            return known + dropped
        # Without a severe ending, failed trials are counted.
        return max(known, self.failed) if self.severe and endings >= self.severe else known


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The subject of a bisection: the endings that differ between the ends of an axis, else the verdict."""

    endings: frozenset[str]
    """Empty where the verdict tells."""
    shows_last: bool
    """Whether the axis's last value shows it; otherwise the first one does."""
    quiet: frozenset[str]
    """The endings of the end that does not show it."""

    @property
    def name(self) -> str:
        """The endings in words."""
        return " or ".join(sorted(self.endings)) or "an end that is not as expected"

    def shown(self, found: Endings) -> int | None:
        """How many of a cell's trials show it; None where some ended as neither end did."""
        known = found.kept.keys() <= self.quiet
        if not self.endings:
            return found.failed if known else None
        return found.count(self.endings) or (0 if known else None)


def endings_of(result: CellResult) -> Endings:
    """The endings of a cell's trials."""
    trials, kept = result.trials, dict[str, int]()
    for trial in trials:
        kept[trial.ended] = kept.get(trial.ended, 0) + 1
    unusable = ""
    if result.judgement.verdict not in (Verdict.PASS, Verdict.FAIL):
        unusable = result.judgement.reason
    elif imports := [trial.outcome.exception for trial in trials if trial.outcome.failed_import]:
        unusable = f"an import fails: {imports[0]}"
    failed = result.rate.count if result.rate and not result.expectation.must_crash else 0
    return Endings(
        kept=kept,
        severe=frozenset(trial.ended for trial in trials if _is_severe(trial)),
        trials=len(trials) + result.not_kept,
        failed=failed,
        unusable=unusable,
    )


def subject_of(first: Endings, last: Endings) -> Subject | None:
    """The subject that one end of an axis shows and the other does not; None if they share an ending.

    A crash at one end has priority, even if that end shows it only in some trials.
    """
    worse_last = (len(last.severe) > 0, last.failed) >= (len(first.severe) > 0, first.failed)
    shows, quiet = (last, first) if worse_last else (first, last)
    all_quiet = frozenset(quiet.kept)
    if shows.severe and not shows.severe & quiet.severe:
        return Subject(endings=shows.severe, shows_last=worse_last, quiet=all_quiet)
    if shows.severe or quiet.severe:
        return None
    if not shows.mild & quiet.mild:
        return Subject(endings=shows.mild, shows_last=worse_last, quiet=all_quiet)
    if shows.failed and not quiet.failed:
        return Subject(endings=frozenset(), shows_last=worse_last, quiet=all_quiet | shows.mild)
    return None


def _is_severe(trial: Trial) -> bool:
    return trial.outcome.kind is not OutcomeKind.EXIT or bool(trial.others)
