"""What is to be explained: in which cells each failure, signature and outcome was seen."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from orchestrator.model import CellResult, Subject, Verdict

JUDGED = (Verdict.PASS, Verdict.FAIL)
"""Verdicts of cells that were seen; a cell that could not be seen speaks neither for nor against."""


@dataclass(kw_only=True)
class Sighting:
    """A subject with the cells that show it, by id, and in how many of their trials."""

    subject: Subject
    name: str
    scenarios: dict[str, None] = field(default_factory=dict)
    trials: dict[str, int] = field(default_factory=dict)


def sightings(results: Iterable[CellResult]) -> list[Sighting]:
    """Failures, signatures and outcomes, worst first and then by name.

    A scenario with one outcome has nothing to explain, and an outcome that is seen where a signature
    is, and nowhere else, is that crash once more.
    """
    seen = [result for result in results if result.judgement.verdict in JUDGED]
    found: dict[tuple[Subject, str, str], Sighting] = {}
    for result in seen:
        for subject, name, count in _shows(result):
            scope = "" if subject is Subject.SIGNATURE else result.cell.scenario
            item = found.setdefault((subject, scope, name), Sighting(subject=subject, name=name))
            item.scenarios.setdefault(result.cell.scenario)
            item.trials[result.cell.id] = count
    order = list(Subject)
    ordered = sorted(found, key=lambda key: (order.index(key[0]), *key[1:]))
    return _without_repetition([found[key] for key in ordered])


def _shows(result: CellResult) -> Iterator[tuple[Subject, str, int]]:
    if result.judgement.verdict is Verdict.FAIL:
        yield Subject.FAILURE, result.cell.scenario, len(result.trials)
    crashes = Counter(trial.crash.signature for trial in result.trials if trial.crash)
    outcomes = Counter(trial.ended for trial in result.trials)
    for signature, count in crashes.items():
        yield Subject.SIGNATURE, signature, count
    for outcome, count in outcomes.items():
        yield Subject.OUTCOME, outcome, count


def _without_repetition(items: Sequence[Sighting]) -> list[Sighting]:
    outcomes = Counter(next(iter(item.scenarios)) for item in items if item.subject is Subject.OUTCOME)
    crashed = [item.trials.keys() for item in items if item.subject is Subject.SIGNATURE]

    def says_something(item: Sighting) -> bool:
        if item.subject is not Subject.OUTCOME:
            return True
        return outcomes[next(iter(item.scenarios))] > 1 and item.trials.keys() not in crashed

    return [item for item in items if says_something(item)]
