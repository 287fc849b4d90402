"""The findings of a check: where a package is safe from a hazard, and what happened elsewhere."""

import re
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Final

from pydantic import Field, TypeAdapter, ValidationError

from orchestrator.check.hazard import HAZARD
from orchestrator.check.project import base_name
from orchestrator.check.subjects import Subject
from orchestrator.model import (
    CaseOutcome,
    Cell,
    CellResult,
    InstrumentFinding,
    OutcomeKind,
    Trial,
    Value,
    Verdict,
)
from orchestrator.model.base import Integer
from orchestrator.rundir import RunData

FACTS: Final = "crashmatrix-check: "
"""What battery/start.py writes before the line with what it knows of a package, as JSON."""
REFUSED: Final = re.compile(r"^refused: (.{1,500})", re.MULTILINE)
HANGS: Final = re.compile(r"^hangs: (.{1,200})$", re.MULTILINE)
"""What a script prints before it makes a hanging process dump a core."""
CRASHED: Final = re.compile(r"^crashes: .{1,200}$", re.MULTILINE)
"""What a script prints about a child that a signal ended."""
GIL: Final = re.compile(r"^gil: (on|off)$", re.MULTILINE)
UNIMPORTED: Final = "not tested, since the package cannot be imported: "
"""The beginning of a verdict: not tested, because the first hazard of the environment failed."""
SCHEMA: Final = 3
"""Version of check.json. Version 2 has no number, and `seen` and `said` in place of `result` and `reason`."""
LONGEST: Final = 64 << 10
"""Bytes of a trial's output that are searched."""


class HazardResult(StrEnum):
    """The result of a cell of a check, worst first."""

    CRASHES = "crashes"
    HANGS = "hangs"
    INVALID = "invalid access"
    """valgrind reports an invalid read, write or free."""
    FAILS = "fails"
    """The process ended with an error of its own."""
    NO_RESULT = "no result"
    """No image, no engine, a lost core."""
    NO_IMPORT = "import fails"
    """The package cannot be imported there: its own error."""
    REFUSED = "refused"
    """The package, or this Python, says that it does not support it."""
    SAFE = "safe"

    @property
    def is_hit(self) -> bool:
        """Whether it is a defect of the package."""
        return self in (HazardResult.CRASHES, HazardResult.HANGS, HazardResult.INVALID)

    @property
    def is_blind(self) -> bool:
        """Whether it says nothing about the package."""
        return self in (HazardResult.NO_RESULT, HazardResult.NO_IMPORT)


class CheckedCell(Value):
    """One hazard in one environment."""

    cell: str
    hazard: str
    environment: str
    result: HazardResult
    reason: str
    """The reason, in a sentence of the verdict or of the script."""
    signature: str | None = None
    """The key of a crash or a hang: equal ones have the same."""
    gil: str | None = None
    """Whether the GIL of a free-threaded interpreter is on after the import."""
    tests: dict[CaseOutcome, Integer] = {}
    """How many of the package's own tests ended how."""


class CheckedPackage(Value):
    """All cells of one package."""

    name: str
    distribution: str
    versions: tuple[str, ...]
    """The versions that were installed, over all environments."""
    names: tuple[str, ...]
    """The imported module."""
    modules: Integer
    extensions: Integer
    """The number of native modules of the distribution; 0 for pure Python."""
    cells: tuple[CheckedCell, ...]
    excluded: tuple[str, ...]
    """Why environments are left out, for example because there is no wheel."""

    @property
    def hits(self) -> tuple[CheckedCell, ...]:
        """The cells that crash or hang."""
        return tuple(item for item in self.cells if item.result.is_hit)


class Checked(Value):
    """check.json of a run's folder: the findings of a check."""

    schema_version: Integer = SCHEMA
    run: str
    packages: tuple[CheckedPackage, ...]


class _Facts(Value):
    """The line that battery/start.py prints; it comes from a container and is untrusted."""

    names: tuple[str, ...] = Field(max_length=1000)
    modules: Integer
    extensions: Integer


_FACTS: Final = TypeAdapter(_Facts)

Read = Callable[[str], str]
"""The beginning of a file of the run's folder, by its name there."""


def checked(data: RunData, subjects: Iterable[Subject]) -> Checked:
    """The findings of the checked packages, from the cells of a run."""

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
    """Whether a package can be imported, by the cell that only imports it; None if unknown.

    A process that crashes or fails may do so at its end, after the import; then the other hazards say more.
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
    return any(base_name(name) == subject.name for name in scenarios)


def _facts(result: CellResult, read: Read) -> _Facts | None:
    for trial in result.trials:
        for line in read(trial.outcome.stdout).splitlines():
            if line.startswith(FACTS):
                try:
                    return _FACTS.validate_json(line.removeprefix(FACTS))
                except ValidationError:
                    return None
    return None


def observed(trial: Trial, read: Read) -> tuple[HazardResult, str | None]:
    """The result of a trial, with its signature if it crashes or hangs."""
    shown, _ = _of_trial(trial, read(trial.outcome.stdout), "", passed=True)
    return shown, _key(trial, shown)


def _cell(cell: Cell, result: CellResult | None, read: Read) -> CheckedCell:
    shown, reason, key, gil, tests = HazardResult.NO_RESULT, "not run", None, None, None
    if result:
        reason = result.judgement.reason
        trial = result.trials[-1] if result.trials else None
        if trial is None:
            shown = HazardResult.NO_IMPORT if reason.startswith(UNIMPORTED) else HazardResult.NO_RESULT
        else:
            output = read(trial.outcome.stdout)
            passed = result.judgement.verdict is Verdict.PASS
            shown, reason = _of_trial(trial, output, reason, passed=passed)
            key, gil, tests = _key(trial, shown), GIL.search(output), trial.outcome.tests
    return CheckedCell(
        cell=cell.id,
        hazard=dict(cell.own).get(HAZARD, ""),
        environment=cell.environment,
        result=shown,
        reason=reason,
        signature=key,
        gil=gil[1] if gil else None,
        tests=tests.counts if tests else {},
    )


ENDS: Final = {
    OutcomeKind.HANG: HazardResult.HANGS,
    OutcomeKind.SIGNAL: HazardResult.CRASHES,
    OutcomeKind.OOM: HazardResult.FAILS,
}


def _of_trial(trial: Trial, output: str, reason: str, *, passed: bool) -> tuple[HazardResult, str]:
    if hangs := HANGS.search(output):
        return HazardResult.HANGS, f"{hangs[1]}: {reason}"
    if trial.outcome.kind in ENDS:
        return ENDS[trial.outcome.kind], reason
    if trial.others or CRASHED.search(output) or any(item.crashed for item in trial.outcome.others):
        return HazardResult.CRASHES, reason
    if invalid := _invalid_access(trial):
        return HazardResult.INVALID, _words_of(invalid)
    return _of_clean(trial, output, reason, passed=passed)


def _of_clean(trial: Trial, output: str, reason: str, *, passed: bool) -> tuple[HazardResult, str]:
    """What a trial without a crash, a hang and an invalid access shows."""
    if trial.outcome.failed_import:
        return HazardResult.NO_IMPORT, reason
    if refused := REFUSED.search(output):
        return HazardResult.REFUSED, refused[1]
    return (HazardResult.SAFE if passed else HazardResult.FAILS), reason


def _key(trial: Trial, shown: HazardResult) -> str | None:
    """The key of crashes and hangs: the signature of the first core that was read, else the signal."""
    if not shown.is_hit:
        return None
    if shown is HazardResult.INVALID and (invalid := _invalid_access(trial)):
        return f"{invalid.kind}: {_function_of(invalid)}"
    crash = next(iter(trial.crashes), None)
    signal = trial.outcome.signal or next(
        (item.signal for item in trial.outcome.others if item.crashed), None
    )
    return crash.signature if crash else signal


def _invalid_access(trial: Trial) -> InstrumentFinding | None:
    """The first invalid access that valgrind reports; values that are only uninitialized do not count."""
    findings = trial.outcome.evidence.findings if trial.outcome.evidence else ()
    return next((item for item in findings if item.kind.startswith(("Invalid", "Mismatched"))), None)


def _words_of(finding: InstrumentFinding) -> str:
    return f"{finding.kind} in {_function_of(finding)}: {finding.first}"


def _function_of(finding: InstrumentFinding) -> str:
    """The function of the innermost frame that has a name."""
    frames = finding.stacks[0].frames if finding.stacks else ()
    return next((frame.function for frame in frames if frame.function), "?")
