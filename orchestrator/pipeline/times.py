"""How long cells and builds take: as earlier runs measured it, else by a model.

Times balance shards and fill a budget; for both, an error of half the time does no harm. Each time is that of
one cell or build; a machine is assumed to do `AT_ONCE` of them at a time.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Final

from orchestrator.errors import InputError, Location
from orchestrator.model import ABSENT, INSTRUMENT, InterpreterKind, MadeOf, OutcomeKind, RunDigest, Scenario
from orchestrator.model.terms import CellTerms
from orchestrator.pipeline.reporting import SEEN, past_digest
from orchestrator.rundir import RunFolder, run_folders

AT_ONCE: Final = 2
"""Cells or builds that run beside each other: `--jobs` of a machine with two processors."""
CELL: Final = 1.5
"""Seconds of a container, from its making to its result; those with a core take as much again. By
this model 126 cells of all stories take 4.5 minutes; 4.2 were measured (two processors, nothing else)."""
TRIAL: Final = 0.1
"""Seconds of a further trial in the same container."""
FEW: Final = 3
"""Trials of a race that must crash: its first crash settles it."""
INSTRUMENTED: Final = 4
EMULATED: Final = 6
"""Factors of an instrument and of qemu-user, seen from 3 to 10."""
BUILDS: Final[Mapping[str, float]] = {
    "base": 60, "builder": 90, "environment": 6, "uwsgi": 40, "probe": 15, "cell": 3, "python": 30,
}  # fmt: skip
"""Seconds of a build by the first word of the image's role: one of a server's is as uWSGI's."""
MINUTE: Final = 60.0


@dataclass(frozen=True, kw_only=True)
class Past:
    """What the digests of earlier runs tell; of two runs the newer one counts."""

    seconds: Mapping[str, float] = field(default_factory=dict)
    """How long cells took, by id."""
    builds: Mapping[str, float] = field(default_factory=dict)
    """The mean seconds of builds, by kind and architecture."""
    verdicts: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """The last verdict of each cell that was seen, as a letter, and when its run was planned."""

    @classmethod
    def of(cls, digests: Sequence[RunDigest]) -> "Past":
        """What digests tell, in any order."""
        seconds: dict[str, float] = {}
        builds: dict[str, float] = {}
        verdicts: dict[str, tuple[str, str]] = {}
        for digest in sorted(digests, key=lambda digest: (digest.created, digest.run)):
            seconds |= digest.seconds
            builds |= digest.builds
            verdicts |= {cell: (is_, digest.created) for cell, is_ in digest.cells.items() if is_ in SEEN}
        return cls(seconds=seconds, builds=builds, verdicts=verdicts)

    @classmethod
    def read(cls, folder: Path) -> "Past":
        """The earlier runs in a folder, without unreadable ones; raises InputError if it is not a folder."""
        if not folder.is_dir():
            raise InputError(
                "--past: there is no such folder",
                where=Location(file=str(folder)),
                hint="name the folder of earlier runs, such as reports/ or nights/",
            )
        digests: list[RunDigest] = []
        for run in run_folders(folder):
            with suppress(InputError):  # the history of a report names it
                digests.append(past_digest(RunFolder(run)))
        return cls.of(digests)


NOTHING: Final = Past()
"""No earlier run is known."""


def model_seconds(axes: Mapping[str, str], terms: CellTerms, *, emulated: bool) -> float:
    """How long a cell takes that no run measured."""
    expected = terms.expectation
    trials = min(terms.trials, FEW) if expected.must_crash else terms.trials
    containers = -(-trials // max(1, terms.trials_per_container))
    seconds = containers * CELL + (trials - containers) * TRIAL
    seconds += terms.timeout if expected.kind is OutcomeKind.HANG else 0
    seconds += CELL if expected.kind is OutcomeKind.SIGNAL else 0
    seconds *= INSTRUMENTED if axes.get(INSTRUMENT, ABSENT) != ABSENT else 1
    return seconds * (EMULATED if emulated else 1)


@dataclass(frozen=True, kw_only=True)
class Builds:
    """What is built for cells, by their axes alone: no recipe is rendered for another shard's images."""

    scenarios: Mapping[str, Scenario]
    made_of: Callable[[Mapping[str, str]], MadeOf | None]
    host: str
    """The architecture that runs without emulation."""
    past: Past = NOTHING

    def __call__(self, axes: Mapping[str, str]) -> Sequence[tuple[Hashable, float]]:
        """What is built for a cell, its own image last, each with its seconds."""
        python, glibc, arch, launcher = (axes[axis] for axis in ("python", "glibc", "arch", "launcher"))
        made, probe = self.made_of(axes), self.scenarios[axes["scenario"]].probe(axes["probe"])
        found = [self._image("base", arch, glibc)]
        if made and made.interpreter is not InterpreterKind.OWN:
            compiled = (made.minutes or 0) * MINUTE
            found += [
                self._image("python", arch, python, model=compiled or None),
                self._image("environment", arch, glibc, python),
            ]
        if launcher != "plain":
            found.append(self._image(launcher, arch, glibc, python))
        if probe:
            found += [
                self._image("builder", self.host),
                self._image("probe", arch, axes["scenario"], axes["probe"]),
            ]
        return (*found, self._image("cell", arch, *axes.values()))

    def _image(self, kind: str, arch: str, *what: str, model: float | None = None) -> tuple[Hashable, float]:
        usual = BUILDS.get(kind, BUILDS["uwsgi"]) * (EMULATED if arch != self.host else 1)
        return (kind, arch, *what), self.past.builds.get(f"{kind} {arch}", model or usual)


def filled(
    measured: Sequence[float | None], models: Sequence[float], alike: Sequence[Hashable]
) -> list[float]:
    """Times of cells: measured, else as those that are alike, else by the model."""
    known: dict[Hashable, list[float]] = defaultdict(list)
    for seconds, like in zip(measured, alike, strict=True):
        if seconds is not None:
            known[like].append(seconds)
    means = {like: fmean(times) for like, times in known.items()}
    return [
        means.get(like, model) if seconds is None else seconds
        for seconds, model, like in zip(measured, models, alike, strict=True)
    ]
