"""A bisection in words: which two neighbours, how sure, in which environment, and what was left out."""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from orchestrator.bisect.state import State
from orchestrator.bisect.trials import confidence_of
from orchestrator.model import Bisection, BisectionFinding, Flip, SkippedValue, TestedValue
from orchestrator.model.rate import percent

NAMED: Final = 6
"""Skipped values that a note names with their reasons."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """What was tested: a scenario along an axis with these values, in one environment, for one run."""

    run: str
    scenario: str
    axis: str
    environment: str
    titles: Mapping[str, str] = field(default_factory=dict)
    """A value in words."""


def conclude(question: Question, state: State) -> Bisection:
    """The conclusion from the tested values."""
    search, subject = state.search, state.subject
    pairs = search.changes() if subject else ()
    rate = state.rate if pairs else None
    made = Bisection(
        run=question.run,
        scenario=question.scenario,
        axis=question.axis,
        environment=question.environment,
        values=len(state.values),
        subject=subject.name if subject else "",
        finding=_finding(state),
        flips=tuple(
            Flip(
                before=state.values[before],
                after=state.values[after],
                between=tuple(state.values[before + 1 : after]),
            )
            for before, after in pairs
        ),
        tested=tuple(state.tested(at) for at in sorted(state.found)),
        skipped=tuple(
            SkippedValue(value=state.values[at], reason=state.skipped[at]) for at in sorted(state.skipped)
        ),
        confidence=confidence_of(rate, state.quiet) if rate else None,
        rate=rate.low if rate else None,
        sentence="",
    )
    return made.model_copy(
        update={"sentence": _sentence(made), "notes": tuple(_notes(made, question.titles))}
    )


def _finding(state: State) -> BisectionFinding:
    if len(state.search.known) < 2:
        return BisectionFinding.UNKNOWN
    if state.subject is None:
        return BisectionFinding.AT_TIMES if state.is_mixed else BisectionFinding.SAME
    return BisectionFinding.FLIP if len(state.search.changes()) == 1 else BisectionFinding.SEVERAL


def _sentence(made: Bisection) -> str:
    what, axis = f"{made.scenario} ({made.environment})", made.axis
    shown = {item.value: item for item in made.tested}
    match made.finding:
        case BisectionFinding.FLIP:
            flip = made.flips[0]
            return f"{what}: {_flip(axis, flip, shown, made.subject)}."
        case BisectionFinding.SEVERAL:
            each = "; ".join(_flip(axis, flip, shown, made.subject) for flip in made.flips)
            return f"{what}: it changes {len(made.flips)} times along {axis}: {each}."
        case BisectionFinding.SAME:
            ends = " and ".join(
                sorted({ending for item in made.tested for ending in item.ended if not item.skipped})
            )
            return f"{what} does not change along {axis}: every tested value ends in {ends}."
        case BisectionFinding.AT_TIMES:
            return (
                f"{what} is not decided by {axis}: both ends of the axis end in the same ways, not in every "
                f"trial, so there is no change to search for: {_ways(made.tested)}."
            )
    return f"{what}: no two values of {axis} could be tested, so there is no answer."


def _ways(tested: Sequence[TestedValue]) -> str:
    known = [item for item in tested if not item.skipped]
    return "; ".join(f"{item.value} in {' and '.join(item.ended)} ({item.trials} trials)" for item in known)


def _flip(axis: str, flip: Flip, tested: Mapping[str, TestedValue], subject: str) -> str:
    before, after = tested[flip.before], tested[flip.after]
    verb = "begins" if after.shown else "ends"
    return (
        f"{subject} {verb} between {axis} {flip.before} and {flip.after}: "
        f"{before.value} shows it in {before.shown} of {before.trials} trials, "
        f"{after.value} in {after.shown} of {after.trials}"
    )


def _notes(made: Bisection, titles: Mapping[str, str]) -> Iterator[str]:
    if made.confidence is not None and made.rate is not None:
        yield (
            f"Confidence {percent(made.confidence)}, if a value that shows it does so in at least "
            f"{percent(made.rate)} of its trials, the lower bound of what was seen."
        )
    ends = dict.fromkeys(value for flip in made.flips for value in (flip.before, flip.after))
    if entitled := [f"{value} is {titles[value]!r}" for value in ends if value in titles]:
        yield f"{'; '.join(entitled)}."
    told = {item.value for item in made.skipped} | {item.value for item in made.tested if item.skipped}
    for flip in made.flips:
        yield from _between(made, flip, told)
    yield f"Tested {len(made.tested)} of {made.values} values: {', '.join(map(_tested, made.tested))}."
    for item in made.tested:
        if item.skipped:
            yield f"{item.value} tells nothing: {item.skipped}."
    if made.skipped:
        more = len(made.skipped) - NAMED
        named = "; ".join(f"{item.value} ({item.reason})" for item in made.skipped[:NAMED])
        yield f"Skipped {len(made.skipped)}: {named}" + (f"; and {more} more." if more > 0 else ".")
    if made.finding is BisectionFinding.SAME and all(_is_exit(item) for item in made.tested):
        most = max(item.trials for item in made.tested)
        yield f"A crash that comes seldom needs more than {most} trials: --trials {most * 10}."


def _between(made: Bisection, flip: Flip, told: Container[str]) -> Iterator[str]:
    """The values between two tested neighbours that are not adjacent on the axis."""
    mute = [value for value in flip.between if value in told]
    open_ = [value for value in flip.between if value not in told]
    if mute:
        yield f"It may be any of those between them that could not tell: {', '.join(mute)}."
    if open_:
        yield (
            f"{len(open_)} between them were not tested, since a bisection tests few environments; "
            f"`--along {made.axis} {flip.before}..{flip.after}` tests more."
        )


def _tested(item: TestedValue) -> str:
    return f"{item.value} ({'-' if item.skipped else f'{item.shown} of {item.trials}'})"


def _is_exit(item: TestedValue) -> bool:
    return all(ending.startswith("exit ") for ending in item.ended)
