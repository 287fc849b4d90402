"""Bisections without an engine: what is asked, how often, and what is said of it.

`ask_all` answers each cell that is asked as containers of a known rate would, from a seeded die.
"""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.bisect import FEWEST, Ask, Question, State, conclude
from orchestrator.bisect.trials import confidence_of, trials_to_miss
from orchestrator.model import (
    Bisection,
    BisectionFinding,
    CellResult,
    Expectation,
    OutcomeKind,
    PlannedCell,
    Rate,
    Trial,
    Verdict,
)
from orchestrator.verdict import Tally
from orchestrator.verdict.judge import Observation
from tests.unit import run_factory as factory

CLEAN = Expectation(kind=OutcomeKind.EXIT, status=0, because="", is_default=True)
RateOf = Callable[[int], float]


@dataclass(kw_only=True)
class World:
    """Cells whose trials crash at a rate that depends on the position alone."""

    rate_of: RateOf
    signal: Callable[[int], str] = lambda _at: "SIGSEGV"
    dice: random.Random

    def result(self, ask: Ask) -> CellResult:
        """What the product's own rules make of the trials: they end as `Tally` says."""
        cell = factory.cell(1, "plain", "none", step=str(ask.at))
        tally, trials = Tally(CLEAN, ask.enough), list[Trial]()
        while len(trials) < ask.trials and not tally.settled:
            crashed = self.dice.random() < self.rate_of(ask.at)
            outcome = (
                factory.outcome(cell, OutcomeKind.SIGNAL, signal=self.signal(ask.at), core_dumped=True)
                if crashed
                else factory.outcome(cell, status=0)
            )
            trials.append(factory.quiet_trial(cell).model_copy(update={"outcome": outcome}))
            tally.add(Observation(trial=trials[-1], text=""))
        planned = PlannedCell(cell=cell, expectation=CLEAN, trials=ask.trials, timeout=60, image=factory.KEY)
        made = factory.result_of(planned)
        return made.model_copy(
            update={"trials": tuple(trials), "judgement": tally.judgement, "rate": tally.rate}
        )


def ask_all(count: int, world: World, skipped: Sequence[int] = (), trials: int = FEWEST) -> State:
    state = State(values=[f"1.{number}" for number in range(count)], trials=trials, most=100)
    for at in skipped:
        state.skip(at, "no wheel")
    for _ in range(10 * count):
        asks = state.next()
        if not asks:
            return state
        for ask in asks:
            state.record(ask, f"cell-{ask.at}", world.result(ask))
    raise AssertionError("it never ends")


def concluded(state: State) -> Bisection:
    return conclude(Question(run="r", scenario="s", axis="package", environment="py3.11"), state)


def world(rate_of: RateOf, seed: int = 1) -> World:
    return World(rate_of=rate_of, dice=random.Random(seed))  # noqa: S311 - reproducible, not secret


@given(count=st.integers(2, 400), data=st.data(), rises=st.booleans())
def test_a_flip_is_found_between_its_neighbours_with_few_environments(
    count: int, data: st.DataObject, rises: bool
) -> None:
    flip = data.draw(st.integers(1, count - 1))
    state = ask_all(count, world(lambda at: float((at >= flip) is rises)))
    found = concluded(state)
    assert found.finding is BisectionFinding.FLIP
    (one,) = found.flips
    assert (one.before, one.after, one.between) == (f"1.{flip - 1}", f"1.{flip}", ())
    assert len(found.tested) <= math.log2(count) + 3
    verb = "begins" if rises else "ends"
    assert f"SIGSEGV {verb} between package 1.{flip - 1} and 1.{flip}: " in found.sentence
    assert found.confidence is not None
    assert found.confidence > 0.94


@given(count=st.integers(3, 120), data=st.data())
def test_what_cannot_be_had_is_skipped_and_named_where_it_lies_between(
    count: int, data: st.DataObject
) -> None:
    flip = data.draw(st.integers(1, count - 1))
    skipped = data.draw(st.sets(st.integers(0, count - 1), max_size=count - 2))
    left = [at for at in range(count) if at not in skipped]
    state = ask_all(count, world(lambda at: float(at >= flip)), tuple(skipped))
    found = concluded(state)
    assert not skipped & set(state.found)
    if left[0] >= flip or left[-1] < flip:
        assert found.finding is BisectionFinding.SAME
        return
    (one,) = found.flips
    assert one.before == f"1.{max(at for at in left if at < flip)}"
    assert one.after == f"1.{min(at for at in left if at >= flip)}"
    if one.between:
        assert f"could not tell: {', '.join(one.between)}." in " ".join(found.notes)


def test_a_race_is_rarely_placed_wrongly_and_never_beyond_what_is_claimed() -> None:
    wrong, claimed = 0, 0.0
    for seed in range(80):
        found = concluded(ask_all(20, world(lambda at: 0.25 if at >= 13 else 0.0, seed), trials=20))
        assert found.confidence is not None, found.sentence
        wrong += [(flip.before, flip.after) for flip in found.flips] != [("1.12", "1.13")]
        claimed += 1 - found.confidence
    assert wrong <= claimed
    assert claimed / 80 < 0.051


def test_a_confidence_that_is_not_reached_is_not_claimed() -> None:
    state = ask_all(20, world(lambda at: 0.03 if at >= 13 else 0.0, 4), trials=60)
    found = concluded(state)
    assert found.flips, found.sentence
    assert found.confidence is not None
    assert found.confidence < 0.9
    assert f"Confidence {found.confidence * 100:.2g} %" in " ".join(found.notes)


def test_an_axis_that_does_not_flip_is_asked_in_the_middle_too_and_said_with_what_was_tried() -> None:
    found = concluded(ask_all(16, world(lambda _at: 0.0)))
    assert found.finding is BisectionFinding.SAME
    assert len(found.tested) == 7
    said = "s (py3.11) does not change along package: every tested value ends in exit 0."
    assert found.sentence == said
    assert "--trials 80" in " ".join(found.notes)


def test_an_axis_that_flips_twice_is_seen_from_its_middle() -> None:
    found = concluded(ask_all(3, world(lambda at: float(at == 1))))
    assert found.finding is BisectionFinding.SEVERAL
    assert [(flip.before, flip.after) for flip in found.flips] == [("1.0", "1.1"), ("1.1", "1.2")]
    assert "it changes 2 times along package: SIGSEGV begins between package 1.0 and 1.1" in found.sentence


def test_a_second_flip_in_the_largest_gap_is_found_by_the_check() -> None:
    crashes = {*range(20, 40), *range(60, 64)}
    found = concluded(ask_all(64, world(lambda at: float(at in crashes))))
    assert found.finding is BisectionFinding.SEVERAL
    assert len(found.tested) <= math.log2(64) + 3


def test_an_outcome_that_comes_at_random_is_not_searched() -> None:
    found = concluded(ask_all(40, world(lambda _at: 0.5, 3)))
    assert found.finding is BisectionFinding.AT_TIMES
    assert len(found.tested) == 2
    assert "is not decided by package: both ends of the axis end in the same ways" in found.sentence


def test_an_end_as_neither_end_of_the_axis_tells_nothing() -> None:
    some = world(lambda at: float(at >= 2))
    some.signal = lambda at: "SIGABRT" if at == 4 else "SIGSEGV"
    found = concluded(ask_all(9, some))
    assert [(flip.before, flip.after) for flip in found.flips] == [("1.1", "1.2")]
    odd = [item for item in found.tested if item.skipped]
    assert [(item.value, item.skipped) for item in odd] == [
        ("1.4", "ends in SIGABRT, as no end of the axis does")
    ]


def test_a_cell_that_could_not_be_observed_is_skipped_and_counts_as_an_environment() -> None:
    some = world(lambda at: float(at >= 5))
    state = State(values=[str(number) for number in range(8)], trials=FEWEST, most=100)
    while asks := state.next():
        for ask in asks:
            result = some.result(ask)
            if ask.at in (3, 4):
                wrong = result.judgement.model_copy(update={"verdict": Verdict.ERROR, "reason": "gcc: no"})
                result = result.model_copy(update={"judgement": wrong, "trials": (), "rate": None})
            state.record(ask, f"cell-{ask.at}", result)
    found = concluded(state)
    (flip,) = found.flips
    assert (flip.before, flip.after, flip.between) == ("2", "5", ("3", "4"))
    assert "3 tells nothing: gcc: no." in found.notes
    assert len(found.tested) <= 6


def test_two_values_that_could_be_asked_are_the_least() -> None:
    found = concluded(ask_all(4, world(lambda _at: 1.0), skipped=(0, 1, 2)))
    assert found.finding is BisectionFinding.UNKNOWN
    assert "no two values of package could be tested" in found.sentence


@given(rate=st.floats(0.05, 0.95), quiet=st.integers(1, 12))
def test_the_trials_of_quiet_values_bound_the_chance_that_one_is_mistaken(rate: float, quiet: int) -> None:
    seen = Rate(event="showed it", count=6, trials=6, low=rate, high=1.0)
    trials = trials_to_miss(seen, quiet)
    assert quiet * (1 - rate) ** trials <= 0.025 + 1e-12
    assert trials == 1 or quiet * (1 - rate) ** (trials - 1) > 0.025
    assert confidence_of(seen, [trials] * quiet) >= 0.95 - 1e-9
