"""The runs of one folder, oldest first: each cell's verdicts, and the first run of each signature."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from statistics import fmean
from typing import Final

from orchestrator.model import History, PastRun, RunDigest, SignatureHistory
from orchestrator.rundir import RunData, Status

LETTERS: Final = {
    Status.PASS: "p",
    Status.FAIL: "f",
    Status.ERROR: "e",
    Status.SKIP: "s",
    Status.NOT_RUN: "n",
}
NOT_THERE: Final = "-"


def digest(run: RunData) -> RunDigest:
    """The part of a run that a history needs."""
    signatures: Counter[str] = Counter()
    for result in run.results:
        signatures.update({crash.signature for trial in result.trials for crash in trial.crashes})
    plan = run.plan
    return RunDigest(
        run=plan.run,
        created=plan.created,
        profile=plan.profile,
        selection=plan.selection,
        shard=plan.shard,
        cells={cell: LETTERS[record.status] for cell, record in run.by_id.items()},
        signatures=dict(sorted(signatures.items())),
        seconds={
            record.id: round(record.result.seconds, 1)
            for record in run.records
            if record.result and record.result.trials
        },
        builds=_builds(run),
    )


def _builds(run: RunData) -> dict[str, float]:
    """The mean time that images took, by kind and architecture; one that was there took none."""
    found: dict[str, list[float]] = defaultdict(list)
    for image in run.plan.images:
        found[f"{image.role.partition('-')[0]} {image.arch}"].append(run.build_seconds(image))
    return {kind: round(fmean(times), 1) for kind, times in sorted(found.items())}


def history(
    past: Sequence[RunDigest], now: RunDigest, *, left_out: int = 0, unreadable: Sequence[str] = ()
) -> History:
    """The history of a run's cells over earlier runs, which may come in any order."""
    runs = [*sorted(past, key=lambda item: (item.created, item.run)), now]
    return History(
        run=now.run,
        runs=tuple(PastRun(run=item.run, created=item.created) for item in runs),
        left_out=left_out,
        unreadable=tuple(unreadable),
        cells={cell: "".join(item.cells.get(cell, NOT_THERE) for item in runs) for cell in now.cells},
        signatures=tuple(_signature(signature, runs) for signature in now.signatures),
    )


def _signature(signature: str, runs: Sequence[RunDigest]) -> SignatureHistory:
    having = [item for item in runs if signature in item.signatures]
    return SignatureHistory(
        signature=signature, first_run=having[0].run, first_created=having[0].created, runs=len(having)
    )
