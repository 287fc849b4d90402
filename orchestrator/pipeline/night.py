"""A night in a row of nights: what it begins from, what it leaves, and the issues of its causes."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from orchestrator import night, report
from orchestrator.adapters.github import GitHub, WorkflowRun
from orchestrator.errors import InputError, Location
from orchestrator.model import Cause, Causes, RunDigest
from orchestrator.night import Step, StepKind
from orchestrator.pipeline.reporting import SEEN, past_digest
from orchestrator.rundir import RunData, RunFolder, Status, layout, run_folders

KEPT: Final = 30
"""Nights whose digests the next one is handed."""
MOST_NEW: Final = 10
"""Issues that one night opens at most: what breaks everything must not open a thousand."""
LIGHT: Final = frozenset({layout.PLAN, layout.DERIVED[RunDigest], layout.DERIVED[Causes]})
"""What is kept of an older night: enough for histories, and since when a cause is there."""

Say = Callable[[str], None]


def fetch_nights(
    name: str, into: Path, environ: Mapping[str, str], say: Say, *, brief: bool = False
) -> Path | None:
    """Bring the last complete night here, with the digests of older ones; None where there is none.

    A `brief` one has a digest of that night too, and no results.
    Raises InputError outside of a job of GitHub Actions and where the folder is in use, HostError where
    GitHub refuses or is away.
    """
    run = WorkflowRun.of(environ)
    if into.is_dir() and any(into.iterdir()):
        raise InputError(
            "the folder is not empty", where=Location(file=str(into)), hint="name one that does not exist yet"
        )
    service = GitHub()
    found = night.newest_complete(
        service.artifacts(name), run=run.id, branch=run.branch, repository=run.repository
    )
    if found is None:
        into.mkdir(parents=True, exist_ok=True)
        say(f"There is no complete night of {run.branch} yet: nothing is known of earlier ones.")
        return None
    service.download(found, name, into)
    latest = _newest(into)
    if brief:
        _leave_light(run_folders(into))
    say(f"The last complete night is {latest.name}, of run {found.run}.")
    return latest


def _newest(nights: Path) -> Path:
    """The night that was planned last; by what its plan says, since artifacts do not keep times."""
    folders = run_folders(nights)
    if not folders:
        raise InputError("there is no run", where=Location(file=str(nights)), hint="merge one into it first")
    return max(folders, key=lambda folder: RunFolder(folder).plan.created)


def keep_nights(nights: Path) -> tuple[Path, bool]:
    """Make of older nights what the next one needs of them; the newest, and whether it is complete."""
    newest = _newest(nights)
    older = sorted(
        (folder for folder in run_folders(nights) if folder != newest),
        key=lambda folder: RunFolder(folder).plan.created,
    )
    for folder in older[: -(KEPT - 1)]:
        shutil.rmtree(folder)
    _leave_light(older[-(KEPT - 1) :])
    return newest, is_complete(RunFolder(newest).load_results())


def _leave_light(folders: Sequence[Path]) -> None:
    for path in (path for folder in folders for path in folder.iterdir()):
        if path.name not in LIGHT or path.is_symlink():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def is_complete(data: RunData) -> bool:
    """Whether every cell that was due has a result, whatever that is."""
    return not (data.plan.missing or data.plan.missing_shards or data.counts[Status.NOT_RUN])


def track_causes(nights: Path, environ: Mapping[str, str], say: Say) -> Sequence[Step]:
    """Open, update, reopen and close the issues of the newest night's causes. Raises as `fetch_nights`."""
    run = WorkflowRun.of(environ)
    service = GitHub()
    folder = RunFolder(_newest(nights))
    data = folder.load()
    digests = _digests(nights)
    now = digests[-1]
    found = night.steps(
        data.open_causes,
        service.issues(),
        lambda cause: _is_gone(cause, now, digests[:-1]),
        most_new=MOST_NEW,
    )
    if any(step.kind is StepKind.OPEN for step in found):
        service.have_label()
    causes = {cause.id: cause for cause in data.open_causes}
    for step in found:
        _take(step, causes.get(step.cause), service, data.plan.run, run.url)
        say(_words(step))
    return found


def _digests(nights: Path) -> list[RunDigest]:
    """The digests of all nights, oldest first."""
    found = [past_digest(RunFolder(folder)) for folder in run_folders(nights)]
    return sorted(found, key=lambda digest: (digest.created, digest.run))


def _is_gone(cause: str, now: RunDigest, past: Sequence[RunDigest]) -> bool:
    """Whether a night saw all cells in which the last night with this cause showed it."""
    for digest in reversed(past):
        shown = (digest.causes or {}).get(cause)
        if shown is not None:
            cells = list(digest.cells)
            ids = [cells[at] for at in shown.cells if 0 <= at < len(cells)]
            return bool(ids) and all(now.cells.get(cell) in SEEN for cell in ids)
    return False


def _take(step: Step, cause: Cause | None, service: GitHub, run: str, url: str) -> None:
    title, text = (report.issue_title(cause), report.issue_text(cause, run, url)) if cause else ("", "")
    issue = step.issue
    if step.kind is StepKind.OPEN:
        service.open_issue(title, text)
    elif issue is None:
        return
    elif step.kind is StepKind.CLOSE:
        service.close(issue.number, report.gone_text(run, url))
    elif step.kind in (StepKind.UPDATE, StepKind.REOPEN):
        if step.kind is StepKind.REOPEN:
            service.reopen(issue.number, report.again_text(run, url))
        if (issue.title, issue.body) != (title, text):
            service.update(issue.number, title, text)


def _words(step: Step) -> str:
    number = f" #{step.issue.number}" if step.issue else ""
    told = {
        StepKind.OPEN: f"opened an issue: {step.cause}",
        StepKind.UPDATE: f"updated{number}: {step.cause}",
        StepKind.REOPEN: f"opened{number} again: {step.cause}",
        StepKind.CLOSE: f"closed{number}: {step.cause} is not seen any more",
        StepKind.IGNORED: f"left{number} closed as not planned: {step.cause}",
        StepKind.TOO_MANY: f"opened no issue, since a night opens {MOST_NEW} at most: {step.cause}",
    }
    return told[step.kind]
