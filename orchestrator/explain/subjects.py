"""The subjects to explain: each failure, signature and outcome, with the cells that show it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from orchestrator.model import CellResult, OutcomeKind, Subject, Trial, Verdict

JUDGED = (Verdict.PASS, Verdict.FAIL)
"""The verdicts that count as evidence; a cell that could not be observed counts neither way."""


def is_evidence(result: CellResult) -> bool:
    """Whether a cell says something about its environment; after a failed import its hazard did not run."""
    failed = result.judgement.verdict is Verdict.FAIL and any(
        trial.outcome.failed_import for trial in result.trials
    )
    return result.judgement.verdict in JUDGED and not failed


@dataclass(kw_only=True)
class SubjectCells:
    """A subject with the results that show it, by position, and in how many of their trials."""

    subject: Subject
    name: str
    happened: str = ""
    """What happened in a failure of the default expectation, if it is the same in all its cells."""
    scenarios: dict[str, None] = field(default_factory=dict)
    trials: dict[int, int] = field(default_factory=dict)


def find_subjects(seen: Iterable[CellResult]) -> list[SubjectCells]:
    """Failures, signatures and outcomes of cells that were seen, worst first and then by name.

    Left out are the only outcome of a scenario, and an outcome of exactly the cells of a signature, which
    is that crash again.
    """
    results = tuple(seen)
    telling = _told_by_message(results)
    found: dict[tuple[Subject, str, str], SubjectCells] = {}
    for at, result in enumerate(results):
        for subject, name, count in _shows(result, telling):
            scope = "" if subject is Subject.SIGNATURE else result.cell.scenario
            item = found.setdefault((subject, scope, name), SubjectCells(subject=subject, name=name))
            item.scenarios.setdefault(result.cell.scenario)
            item.trials[at] = count
    for item in found.values():
        if item.subject is Subject.FAILURE:
            item.happened = _happened([results[at] for at in item.trials])
    order = list(Subject)
    ordered = sorted(found, key=lambda key: (order.index(key[0]), *key[1:]))
    return _without_repetition([found[key] for key in ordered], results)


def _happened(failed: Iterable[CellResult]) -> str:
    """What happened in the cells of a failure; empty where a scenario expects more than a clean end.

    A cell may fail though its process ended cleanly, for example by a server's answers.
    """
    results = tuple(failed)
    if not all(result.expectation.is_default for result in results):
        return ""
    ended = [[trial for trial in result.trials if not _is_clean(result, trial)] for result in results]
    trials = [trial for some in ended for trial in some]
    if not all(ended):
        return "fails"
    endings = {trial.ended for trial in trials}
    if all(trial.outcome.kind is OutcomeKind.SIGNAL for trial in trials):
        return f"crashes with {endings.pop()}" if len(endings) == 1 else "crashes"
    return f"ends with {endings.pop()}" if len(endings) == 1 else "fails"


def _is_clean(result: CellResult, trial: Trial) -> bool:
    """Whether a trial ended as the default expectation requires."""
    outcome = trial.outcome
    return (
        outcome.kind is OutcomeKind.EXIT and outcome.status == result.expectation.status and not trial.others
    )


def _told_by_message(results: Iterable[CellResult]) -> set[tuple[str, str]]:
    """Pairs of scenario and ending that hide several outcomes: `exit 0` with different expected messages.

    Only an expected trial proves its message; one unexpected trial leaves the pair open.
    """
    messages: dict[tuple[str, str], set[str | None]] = {}
    open_still: set[tuple[str, str]] = set()
    for result in results:
        for trial in result.trials:
            key = (result.cell.scenario, trial.ended)
            messages.setdefault(key, set()).add(result.expectation.message)
            as_expected = result.judgement.verdict is Verdict.PASS
            if not as_expected or trial.outcome.kind is not result.expectation.kind:
                open_still.add(key)
    return {key for key, found in messages.items() if len(found) > 1} - open_still


def _shows(result: CellResult, telling: set[tuple[str, str]]) -> Iterator[tuple[Subject, str, int]]:
    if result.judgement.verdict is Verdict.FAIL:
        yield Subject.FAILURE, result.cell.scenario, len(result.trials)
    crashes = Counter(
        signature
        for trial in result.trials
        for signature in dict.fromkeys(crash.signature for crash in trial.crashes)
    )
    outcomes = Counter(_outcome(result, trial, telling) for trial in result.trials)
    for signature, count in crashes.items():
        yield Subject.SIGNATURE, signature, count
    for outcome, count in outcomes.items():
        yield Subject.OUTCOME, outcome, count


def _outcome(result: CellResult, trial: Trial, telling: set[tuple[str, str]]) -> str:
    message = result.expectation.message
    if message is None or (result.cell.scenario, trial.ended) not in telling:
        return trial.ended
    return f"{trial.ended} with /{message}/"


def _without_repetition(items: Sequence[SubjectCells], results: Sequence[CellResult]) -> list[SubjectCells]:
    outcomes = Counter(next(iter(item.scenarios)) for item in items if item.subject is Subject.OUTCOME)
    crashed = [item.trials.keys() for item in items if item.subject is Subject.SIGNATURE]

    failed = {item.name: item for item in items if item.subject is Subject.FAILURE}

    def repeats_a_failure(item: SubjectCells) -> bool:
        """Whether the cells of an outcome are exactly those of a failure, or only others."""
        failure = failed.get(next(iter(item.scenarios)))
        if failure is None or not failure.happened:
            return False
        others = {at for at, result in enumerate(results) if result.cell.scenario == failure.name}
        return (
            item.trials.keys() == failure.trials.keys()
            or item.trials.keys() <= others - failure.trials.keys()
        )

    def says_something(item: SubjectCells) -> bool:
        if item.subject is not Subject.OUTCOME:
            return True
        if repeats_a_failure(item):
            return False
        return outcomes[next(iter(item.scenarios))] > 1 and item.trials.keys() not in crashed

    return [item for item in items if says_something(item)]
