"""The findings of a check: where a package is safe from a hazard, and what happened elsewhere."""

import re
from collections.abc import Callable, Iterable
from typing import Final

from pydantic import Field, TypeAdapter, ValidationError

from orchestrator.check.hazard import HAZARD, rows
from orchestrator.check.project import base_name
from orchestrator.check.requested import RequestedPackage
from orchestrator.model import (
    Cell,
    CellResult,
    Checked,
    CheckedCell,
    CheckedPackage,
    HazardResult,
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
REFUSED: Final = re.compile(r"^refused: (?:<class '([\w.]+)'>(?=:))?(.{1,500})", re.MULTILINE)
"""Why a package refuses a hazard; CPython 3.12 writes an exception's class in this way, others its name."""
HANGS: Final = re.compile(r"^hangs: (.{1,200})$", re.MULTILINE)
"""What a script prints before it makes a hanging process dump a core."""
CRASHED: Final = re.compile(r"^crashes: .{1,200}$", re.MULTILINE)
"""What a script prints about a child that a signal ended."""
GIL: Final = re.compile(r"^gil: (on|off)$", re.MULTILINE)
UNIMPORTED: Final = "not tested, since the package cannot be imported: "
"""The beginning of a verdict: not tested, because the first hazard of the environment failed."""
LONGEST: Final = 64 << 10
"""Bytes of a trial's output that are searched."""


class _Facts(Value):
    """The line that battery/start.py prints; it comes from a container and is untrusted."""

    names: tuple[str, ...] = Field(max_length=1000)
    modules: Integer
    extensions: Integer


_FACTS: Final = TypeAdapter(_Facts)

Read = Callable[[str], str]
"""The beginning of a file of the run's folder, by its name there."""


def checked(data: RunData, requested: Iterable[RequestedPackage]) -> Checked:
    """The findings of the checked packages, from the cells of a run."""

    def read(name: str) -> str:
        path = data.inside(name)
        if path is None:
            return ""
        with path.open("rb") as stream:
            return stream.read(LONGEST).decode("utf-8", "replace")

    packages = tuple(_package(data, package, read) for package in requested)
    tested = {cell.hazard for package in packages for cell in package.cells}
    questions = {item.name: item.question for item in rows() if item.name in tested}
    return Checked(run=data.folder.name, packages=packages, questions=questions)


def imports(result: CellResult) -> bool | None:
    """Whether a package can be imported, by the cell that only imports it; None if unknown.

    A process that crashes or fails may do so at its end, after the import; then the other hazards say more.
    """
    trial = result.trials[-1] if result.trials else None
    if trial is None:
        return None
    return not (trial.outcome.failed_import or trial.outcome.kind is OutcomeKind.HANG)


def _package(data: RunData, package: RequestedPackage, read: Read) -> CheckedPackage:
    records = [item for item in data.records if _is_of(item.cell, package)]
    results = [item.result for item in records if item.result]
    facts = next(filter(None, (_facts(item, read) for item in results)), None)
    versions = {
        item.packages[package.distribution] for item in results if package.distribution in item.packages
    }
    excluded = (item.reason for item in data.plan.excluded if _names(item.axes["scenario"], package))
    return CheckedPackage(
        name=package.name,
        distribution=package.distribution,
        versions=tuple(sorted(versions)),
        names=facts.names if facts else (),
        modules=facts.modules if facts else 0,
        extensions=facts.extensions if facts else 0,
        cells=tuple(_cell(item.cell, item.result, read) for item in records),
        excluded=tuple(dict.fromkeys(reason for reason in excluded if "wheel" in reason)),
    )


def _is_of(cell: Cell, package: RequestedPackage) -> bool:
    return _names((cell.scenario,), package)


def _names(scenarios: Iterable[str], package: RequestedPackage) -> bool:
    return any(base_name(name) == package.name for name in scenarios)


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
    if refused := refusal(output):
        return HazardResult.REFUSED, refused
    return (HazardResult.SAFE if passed else HazardResult.FAILS), reason


def refusal(output: str) -> str | None:
    """Why a package refuses a hazard, in the same words on each Python."""
    found = REFUSED.search(output)
    return f"{found[1] or ''}{found[2]}" if found else None


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
