"""What the cells of a check show: where a package is safe from a hazard, and what happened elsewhere."""

import re
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Final

from pydantic import Field, TypeAdapter, ValidationError

from orchestrator.check.hazard import HAZARD
from orchestrator.check.subjects import Subject
from orchestrator.model import Cell, CellResult, OutcomeKind, Trial, Value, Verdict
from orchestrator.rundir import RunData

FACTS: Final = "crashmatrix-check: "
"""What battery/start.py writes before the line with what it knows of a package, as JSON."""
NOT_ASKED: Final = re.compile(r"^not asked: (.{1,500})", re.MULTILINE)
HANGS: Final = re.compile(r"^hangs: (.{1,200})$", re.MULTILINE)
"""What a script says before it makes a process that hangs leave a core."""
CRASHED: Final = re.compile(r"^crashes: .{1,200}$", re.MULTILINE)
"""What a script says of a child that a signal ended."""
GIL: Final = re.compile(r"^gil: (on|off)$", re.MULTILINE)
UNIMPORTED: Final = "not asked, since the import fails: "
"""How the verdict of a cell begins that was not asked because the first hazard of its environment failed."""
LONGEST: Final = 64 << 10
"""Bytes of a trial's output that are searched."""


class Seen(StrEnum):
    """What a cell of a check shows, worst first."""

    CRASHES = "crashes"
    HANGS = "hangs"
    FAILS = "fails"
    """The process ended with an error of its own."""
    NOT_SEEN = "not seen"
    """No image, no engine, a lost core."""
    NO_IMPORT = "no import"
    """The package cannot be imported there: its own error."""
    NOT_ASKED = "not asked"
    """The package, or this Python, says that it does not support it."""
    SAFE = "safe"

    @property
    def is_hit(self) -> bool:
        """Whether a package should not do it."""
        return self in (Seen.CRASHES, Seen.HANGS)

    @property
    def is_blind(self) -> bool:
        """Whether nothing was learnt."""
        return self in (Seen.NOT_SEEN, Seen.NO_IMPORT)


class CheckedCell(Value):
    """One hazard in one environment."""

    cell: str
    hazard: str
    environment: str
    seen: Seen
    said: str
    """Why, in a sentence of the verdict's or the script's own."""
    signature: str | None = None
    """Of a crash or a hang: the key by which equal ones are told."""
    gil: str | None = None
    """Of a free-threaded interpreter: whether the GIL is on after the import."""


class CheckedPackage(Value):
    """All cells of one package."""

    name: str
    distribution: str
    versions: tuple[str, ...]
    """The versions that were installed, over all environments."""
    names: tuple[str, ...]
    """What is imported."""
    modules: int
    extensions: int
    """Native modules of the distribution; 0: it is pure Python."""
    cells: tuple[CheckedCell, ...]
    excluded: tuple[str, ...]
    """Why environments are left out, for example for want of a wheel."""

    @property
    def hits(self) -> tuple[CheckedCell, ...]:
        """The cells that crash or hang."""
        return tuple(item for item in self.cells if item.seen.is_hit)


class Checked(Value):
    """What a check found."""

    run: str
    packages: tuple[CheckedPackage, ...]


class _Facts(Value):
    """The line of battery/start.py, which comes out of a container."""

    names: tuple[str, ...] = Field(max_length=1000)
    modules: int
    extensions: int


_FACTS: Final = TypeAdapter(_Facts)

Read = Callable[[str], str]
"""The beginning of a file of the run's folder, by its name there."""


def checked(data: RunData, subjects: Iterable[Subject]) -> Checked:
    """What the cells of a run show of the packages that were checked."""

    def read(name: str) -> str:
        path = data.inside(name)
        if path is None:
            return ""
        with path.open("rb") as stream:
            return stream.read(LONGEST).decode("utf-8", "replace")

    return Checked(
        run=data.folder.name, packages=tuple(_package(data, subject, read) for subject in subjects)
    )


def imports(result: CellResult) -> bool | None:
    """Whether a package can be imported, as the cell shows that imports it and ends; None: not known.

    A process that crashes or fails may do so at its end, behind the import, and the other hazards tell more.
    """
    trial = result.trials[-1] if result.trials else None
    if trial is None:
        return None
    return not (trial.outcome.failed_import or trial.outcome.kind is OutcomeKind.HANG)


def _package(data: RunData, subject: Subject, read: Read) -> CheckedPackage:
    records = [item for item in data.records if _is_of(item.cell, subject)]
    results = [item.result for item in records if item.result]
    facts = next(filter(None, (_facts(item, read) for item in results)), None)
    versions = {
        item.packages[subject.distribution] for item in results if subject.distribution in item.packages
    }
    excluded = (item.reason for item in data.plan.excluded if _names(item.axes["scenario"], subject))
    return CheckedPackage(
        name=subject.name,
        distribution=subject.distribution,
        versions=tuple(sorted(versions)),
        names=facts.names if facts else (),
        modules=facts.modules if facts else 0,
        extensions=facts.extensions if facts else 0,
        cells=tuple(_cell(item.cell, item.result, read) for item in records),
        excluded=tuple(dict.fromkeys(reason for reason in excluded if "wheel" in reason)),
    )


def _is_of(cell: Cell, subject: Subject) -> bool:
    return _names((cell.scenario,), subject)


def _names(scenarios: Iterable[str], subject: Subject) -> bool:
    own = (subject.name, f"{subject.name}.served", f"{subject.name}.reloaded")
    return any(name in own for name in scenarios)


def _facts(result: CellResult, read: Read) -> _Facts | None:
    for trial in result.trials:
        for line in read(trial.outcome.stdout).splitlines():
            if line.startswith(FACTS):
                try:
                    return _FACTS.validate_json(line.removeprefix(FACTS))
                except ValidationError:
                    return None
    return None


def observed(trial: Trial, read: Read) -> tuple[Seen, str | None]:
    """What a trial shows, and its signature where it crashes or hangs."""
    seen, _ = _of_trial(trial, read(trial.outcome.stdout), "", passed=True)
    return seen, _key(trial, seen)


def _cell(cell: Cell, result: CellResult | None, read: Read) -> CheckedCell:
    hazard = dict(cell.own).get(HAZARD, "")
    seen, said, key, gil = _seen(result, read) if result else (Seen.NOT_SEEN, "not run", None, None)
    return CheckedCell(
        cell=cell.id,
        hazard=hazard,
        environment=cell.environment,
        seen=seen,
        said=said,
        signature=key,
        gil=gil,
    )


def _seen(result: CellResult, read: Read) -> tuple[Seen, str, str | None, str | None]:
    reason = result.judgement.reason
    trial = result.trials[-1] if result.trials else None
    if trial is None:
        return (Seen.NO_IMPORT if reason.startswith(UNIMPORTED) else Seen.NOT_SEEN), reason, None, None
    output = read(trial.outcome.stdout)
    gil = GIL.search(output)
    passed = result.judgement.verdict is Verdict.PASS
    seen, said = _of_trial(trial, output, reason, passed=passed)
    return seen, said, _key(trial, seen), gil[1] if gil else None


ENDS: Final = {
    OutcomeKind.HANG: Seen.HANGS,
    OutcomeKind.SIGNAL: Seen.CRASHES,
    OutcomeKind.OOM: Seen.FAILS,
}


def _of_trial(trial: Trial, output: str, reason: str, *, passed: bool) -> tuple[Seen, str]:
    outcome = trial.outcome
    if hangs := HANGS.search(output):
        return Seen.HANGS, f"{hangs[1]}: {reason}"
    if outcome.kind in ENDS:
        return ENDS[outcome.kind], reason
    if trial.others or CRASHED.search(output) or any(item.crashed for item in outcome.others):
        return Seen.CRASHES, reason
    if outcome.failed_import:
        return Seen.NO_IMPORT, reason
    if said := NOT_ASKED.search(output):
        return Seen.NOT_ASKED, said[1]
    return (Seen.SAFE if passed else Seen.FAILS), reason


def _key(trial: Trial, seen: Seen) -> str | None:
    """What tells equal crashes and hangs: the signature of the first core that was read, else the signal."""
    if not seen.is_hit:
        return None
    crash = next(iter(trial.crashes), None)
    signal = trial.outcome.signal or next(
        (item.signal for item in trial.outcome.others if item.crashed), None
    )
    return crash.signature if crash else signal
