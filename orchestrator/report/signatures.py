"""Crashes grouped by signature, over all cells of a run."""

import functools
import hashlib
import re
from collections import Counter
from dataclasses import dataclass
from typing import Final

from orchestrator.model import Crash, Trial
from orchestrator.rundir import CellRecord, RunData, Status

SIGNATURES: Final = "signatures"
_Quality = tuple[bool, bool, int]
_NOT_SLUG: Final = re.compile(r"[^A-Za-z0-9]+")


@dataclass(frozen=True, kw_only=True)
class Occurrence:
    """A cell that showed a signature, in `trials` of its trials."""

    record: CellRecord
    trials: int
    doing: tuple[str, ...] = ()
    """What its processes were doing when they crashed, each once: the tests that ran."""


@dataclass(frozen=True, kw_only=True)
class SignatureGroup:
    """A crash signature, the cells that showed it in the plan's order, and its best backtrace."""

    signature: str
    occurrences: tuple[Occurrence, ...]
    crash: Crash
    shown_by: CellRecord

    @property
    def slug(self) -> str:
        """A file name for this signature, the same in every run."""
        return signature_slug(self.signature)

    @property
    def verdicts(self) -> tuple[tuple[Status, int], ...]:
        """The number of its cells by verdict, worst first."""
        counts = Counter(occurrence.record.status for occurrence in self.occurrences)
        return tuple((status, counts[status]) for status in Status if counts[status])


@functools.lru_cache(maxsize=1024)
def signature_slug(signature: str) -> str:
    """A short readable name with a digest, since two signatures may read the same in few letters."""
    words = _NOT_SLUG.sub("-", signature)[:48].strip("-").lower() or "crash"
    return f"{words}-{hashlib.sha256(signature.encode(errors='surrogatepass')).hexdigest()[:8]}"


def signature_page(slug: str) -> str:
    """Where a signature's page is in the run's folder."""
    return f"{SIGNATURES}/{slug}.html"


def group_signatures(data: RunData) -> tuple[SignatureGroup, ...]:
    """All signatures of a run, the most widespread first."""
    seen: dict[str, dict[str, Occurrence]] = {}
    best: dict[str, tuple[_Quality, Crash, CellRecord]] = {}
    for record in data.records:
        for trial in record.result.trials if record.result else ():
            for signature, (crash, doing) in _by_signature(trial).items():
                cells = seen.setdefault(signature, {})
                earlier = cells.get(record.id) or Occurrence(record=record, trials=0)
                cells[record.id] = Occurrence(
                    record=record,
                    trials=earlier.trials + 1,
                    doing=tuple(dict.fromkeys((*earlier.doing, *doing))),
                )
                quality = _quality(crash)
                if signature not in best or quality > best[signature][0]:
                    best[signature] = (quality, crash, record)
    groups = [
        SignatureGroup(
            signature=signature,
            occurrences=tuple(cells.values()),
            crash=best[signature][1],
            shown_by=best[signature][2],
        )
        for signature, cells in seen.items()
    ]
    return tuple(sorted(groups, key=lambda group: (-len(group.occurrences), group.signature)))


def _by_signature(trial: Trial) -> dict[str, tuple[Crash, list[str]]]:
    """The best crash of each signature in a trial, and what the processes were doing."""
    found: dict[str, tuple[Crash, list[str]]] = {}
    crashed = [
        (trial.crash, trial.outcome.doing),
        *((item.crash, item.process.doing) for item in trial.others),
    ]
    for crash, doing in crashed:
        if crash is None:
            continue
        earlier, tests = found.get(crash.signature, (crash, []))
        best = crash if crash is not earlier and _quality(crash) > _quality(earlier) else earlier
        found[crash.signature] = (best, [*tests, doing] if doing else tests)
    return found


def _quality(crash: Crash) -> _Quality:
    """How well a crash represents its signature: not truncated, exact symbol, source lines."""
    thread = crash.crashed_thread
    lines = sum([frame.line is not None for frame in thread.native]) if thread else 0
    return (not crash.truncated, crash.crash.exact, lines)
