"""From a run's results on disk to its reports: what they mean first, then the rendering."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from orchestrator import compare, report
from orchestrator.adapters.files import write_atomically
from orchestrator.compare import Run
from orchestrator.errors import InputError
from orchestrator.explain import explain
from orchestrator.model import Comparison, RunDigest, Value
from orchestrator.pipeline.planning import PLAN_FILE
from orchestrator.report import RunData

DIGEST_FILE: Final = "digest.json"
PAST_RUNS: Final = 30
"""Earlier runs that a history holds."""


@dataclass(kw_only=True)
class _Past:
    """The earlier runs beside a run, oldest first; how many older ones were left out, what is unreadable."""

    runs: dict[Path, RunDigest]
    left_out: int
    unreadable: list[str]


def write_reports(folder: Path, baseline: Path | None = None) -> RunData:
    """Explain a run's results, set them against other runs, and render all its reports.

    Without a baseline the run is compared with the newest earlier one beside it that asked for the
    same cells, if there is one. Raises InputError where the run or the baseline cannot be read; a
    damaged run that only lies beside it is named in the history instead.
    """
    folder = folder.resolve()
    data = report.load_results(folder)
    run = _run(data)
    _write(folder / report.EXPLANATIONS_FILE, explain(data.plan, data.results))
    now = compare.digest(run)
    _write(folder / DIGEST_FILE, now)
    past = _past(folder, now)
    comparison = _comparison(run, baseline) if baseline else _against_last(run, now, past)
    if comparison is None:
        (folder / report.COMPARISON_FILE).unlink(missing_ok=True)
    else:
        _write(folder / report.COMPARISON_FILE, comparison)
    history = compare.history(
        list(past.runs.values()), now, left_out=past.left_out, unreadable=past.unreadable
    )
    _write(folder / report.HISTORY_FILE, history)
    return report.write(folder)


def compare_runs(before: Path, after: Path) -> Comparison:
    """What changed from one run's folder to another's; raises InputError where one cannot be read."""
    return _comparison(_run(report.load_results(after)), before)


def _run(data: RunData) -> Run:
    return Run(plan=data.plan, results=data.results)


def _write(path: Path, value: Value) -> None:
    write_atomically(path, value.model_dump_json(indent=1))


def _past(folder: Path, now: RunDigest) -> _Past:
    found: dict[Path, RunDigest] = {}
    unreadable: list[str] = []
    for plan in sorted(folder.parent.glob(f"*/{PLAN_FILE}")):
        if plan.parent == folder:
            continue
        try:
            found[plan.parent] = _digest(plan.parent)
        except InputError as error:
            unreadable.append(f"{plan.parent.name}: {error.what}")
    earlier = sorted(
        (path for path, item in found.items() if item.created <= now.created),
        key=lambda path: (found[path].created, path.name),
    )
    kept = earlier[-PAST_RUNS:]
    return _Past(
        runs={path: found[path] for path in kept}, left_out=len(earlier) - len(kept), unreadable=unreadable
    )


def _digest(folder: Path) -> RunDigest:
    """A run's digest as it was written at its end; made from its results where there is none that fits."""
    path = folder / DIGEST_FILE
    try:
        if path.stat().st_mtime >= (folder / PLAN_FILE).stat().st_mtime:
            return RunDigest.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError, UnicodeDecodeError):
        pass  # an older version's run, or one that was killed: its results tell the same
    return compare.digest(_run(report.load_results(folder)))


def _against_last(run: Run, now: RunDigest, past: _Past) -> Comparison | None:
    """Against the newest earlier run with the same question that can be read."""
    for path, item in reversed(past.runs.items()):
        if (item.profile, item.selection, item.shard) == (now.profile, now.selection, now.shard):
            try:
                return _comparison(run, path)
            except InputError as error:
                past.unreadable.append(f"{path.name}: {error.what}")
    return None


def _comparison(run: Run, before: Path) -> Comparison:
    return compare.compare(_run(report.load_results(before)), run)
