"""The runs that are there, oldest first: each cell's verdicts, and when a signature first came."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from orchestrator.compare.compare import Run
from orchestrator.model import History, PastRun, RunDigest, SignatureHistory, Verdict

LETTERS: Final = {Verdict.PASS: "p", Verdict.FAIL: "f", Verdict.ERROR: "e", Verdict.SKIP: "s"}
NOT_RUN: Final = "n"
NOT_THERE: Final = "-"


def digest(run: Run) -> RunDigest:
    """What histories take from a run."""
    signatures: Counter[str] = Counter()
    for result in run.results:
        signatures.update({trial.crash.signature for trial in result.trials if trial.crash})
    plan = run.plan
    return RunDigest(
        run=plan.run,
        created=plan.created,
        profile=plan.profile,
        selection=plan.selection,
        shard=plan.shard,
        cells={
            cell: LETTERS[run.seen[cell].judgement.verdict] if cell in run.seen else NOT_RUN
            for cell in run.planned
        },
        signatures=dict(sorted(signatures.items())),
    )


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
