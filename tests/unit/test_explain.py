"""Explanations: the shortest rule that the cells carry, and never more than they carry."""

import random
from collections.abc import Callable, Iterable
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.errors import Location
from orchestrator.explain import explain
from orchestrator.explain.search import Found, rule_text, shortest_rules
from orchestrator.explain.space import Axis, Condition, Space
from orchestrator.explain.words import sentence
from orchestrator.matrix.expression import parse
from orchestrator.model import (
    Cell,
    CellResult,
    ExcludedCells,
    Explanation,
    Finding,
    OutcomeKind,
    Plan,
    PlannedCell,
    PlannedCells,
    Rule,
    Subject,
    Verdict,
    orders_as_version,
)
from tests.unit import rules_factory as rules
from tests.unit import run_factory as factory

SMALL = {
    "python": ("3.9", "3.11", "3.13"),
    "glibc": ("2.31", "2.36", "2.41"),
    "arch": ("x86_64",),
    "launcher": ("plain", "uwsgi"),
    "probe": ("cpp", "rust"),
}
PAIRS = {("3.9", "2.31"), ("3.11", "2.36"), ("3.13", "2.41")}


def matrix(**axes: tuple[str, ...]) -> list[Cell]:
    whole = SMALL | axes
    return [
        Cell.from_axes({"scenario": "tls-atexit"} | dict(zip(whole, values, strict=True)))
        for values in product(*whole.values())
    ]


def paired(cells: Iterable[Cell]) -> list[Cell]:
    """Of each glibc only the interpreter of its Debian suite."""
    return [cell for cell in cells if (cell.python, cell.glibc) in PAIRS]


def plan_of(planned: Iterable[PlannedCell], excluded: Iterable[Cell] = ()) -> Plan:
    return Plan(
        run="r",
        created=factory.STARTED,
        profile="p",
        selection="",
        cells=PlannedCells.of(planned),
        excluded=tuple(ExcludedCells.one(cell, "left out") for cell in excluded),
        deselected=0,
        images=(),
    )


def failures(
    ran: Iterable[Cell],
    fails: Callable[[Cell], bool],
    *,
    excluded: Iterable[Cell] = (),
    not_run: Iterable[Cell] = (),
    change: Callable[[CellResult], CellResult] = lambda result: result,
) -> Explanation:
    """What is said of the failing cells of one scenario."""
    ran = list(ran)
    planned = [
        PlannedCell(cell=cell, expectation=factory.SURVIVES, trials=1, timeout=9, image=factory.KEY)
        for cell in (*ran, *not_run)
    ]
    plan = plan_of(planned, excluded)
    results = []
    for item in planned[: len(ran)]:
        made = factory.judged(Verdict.FAIL if fails(item.cell) else Verdict.PASS, "said")(
            factory.result_of(item)
        )
        assert made is not None
        results.append(change(made))
    found = explain(plan, results).explanations
    return next(item for item in found if item.subject is Subject.FAILURE)


def test_the_shortest_rule_with_its_numbers_and_boundary() -> None:
    said = failures(matrix(), lambda cell: cell.glibc < "2.41" and cell.launcher == "uwsgi")
    assert said.finding is Finding.RULE
    assert said.sentence == (
        'tls-atexit fails exactly where glibc < "2.41" and launcher == "uwsgi": 12 cells show it, 24 do not.'
    )
    assert said.notes == (
        "The boundary lies between glibc 2.36 and 2.41.",
        "Not tested: other values of arch (only x86_64 ran).",
    )


def test_axes_that_change_together_are_not_told_apart_and_excluded_cells_would_settle_it() -> None:
    whole = matrix()
    ran = paired(whole)
    others = [cell for cell in whole if cell not in ran]
    said = failures(ran, lambda cell: cell.glibc == "2.41" and cell.launcher == "uwsgi", excluded=others)
    assert said.finding is Finding.TIE
    assert [rule.expression for rule in said.rules] == [
        'glibc >= "2.41" and launcher == "uwsgi"',
        'python >= "3.13" and launcher == "uwsgi"',
    ]
    assert said.notes[0] == "python and glibc change together here and cannot be told apart."
    telling = [cell for cell in others if (cell.glibc == "2.41") != (cell.python == "3.13")]
    wanted = [cell.id for cell in telling if cell.launcher == "uwsgi"]
    assert said.settling_count == len(wanted)
    assert [item.cell for item in said.settling] == wanted[:5]
    assert f"would tell more: {wanted[0]} ({said.settling[0].why}); and {len(wanted) - 1} more." in " ".join(
        said.notes
    )
    assert "(excluded: left out)" in said.notes[1]
    assert said.crossing is None


def test_of_axes_that_change_together_the_cell_that_would_tell_is_said_as_a_command() -> None:
    whole = matrix()
    ran = paired(whole)
    said = failures(ran, lambda cell: cell.glibc == "2.41" and cell.launcher == "uwsgi")
    (found,) = [cell for cell in whole if cell.id == said.crossing]
    assert found not in ran
    assert found.launcher == "uwsgi"
    assert (found.glibc == "2.41") is not (found.python == "3.13")
    (note,) = [note for note in said.notes if "not chosen" in note]
    assert note.startswith("One cell that was not chosen would tell: `")
    assert note.endswith(f" --cell {found.id}`.")


def test_that_command_names_the_project_that_the_cells_own_commands_name() -> None:
    """That of a check lies in the cache, where no user stands."""
    whole = matrix()

    def elsewhere(result: CellResult) -> CellResult:
        repeat = f"crashmatrix --project '/cache/checks/1 2' run --cell {result.cell.id}"
        return result.model_copy(update={"repeat": repeat})

    said = failures(
        paired(whole), lambda cell: cell.glibc == "2.41" and cell.launcher == "uwsgi", change=elsewhere
    )
    (note,) = [note for note in said.notes if "not chosen" in note]
    assert note == (
        "One cell that was not chosen would tell: "
        f"`crashmatrix --project '/cache/checks/1 2' run --cell {said.crossing}`."
    )


def test_a_sentence_lists_rules_while_it_can_be_read_and_counts_the_others() -> None:
    said = failures(paired(matrix()), lambda cell: cell.glibc == "2.41" and cell.launcher == "uwsgi")
    both = (
        'glibc >= "2.41" and launcher == "uwsgi", or equally where python >= "3.13" and launcher == "uwsgi"'
    )
    assert f"exactly where {both}: " in said.sentence
    long = tuple(Rule(expression=f'python == "{"9" * 150}{n}"', axes=("python",), cost=1) for n in (1, 2, 3))
    told = sentence(said.model_copy(update={"rules": long, "rules_count": 7}))
    assert f"exactly where {long[0].expression} (and 6 more rules): " in told


def test_a_version_between_the_sides_of_a_boundary_would_settle_it() -> None:
    cells = matrix(glibc=("2.31", "2.36", "2.38", "2.41"))
    missing = [cell for cell in cells if cell.glibc == "2.38"]
    ran = [cell for cell in cells if cell not in missing]
    said = failures(ran, lambda cell: cell.glibc == "2.41", not_run=missing)
    assert [rule.expression for rule in said.rules] == ['glibc >= "2.41"']
    assert said.settling_count == len(missing)
    assert said.settling[0].why == "not run"


def test_a_cell_of_which_all_rules_say_the_same_settles_nothing() -> None:
    cells = matrix()
    missing = [cell for cell in cells if cell.glibc == "2.41" and cell.python == "3.9"]
    ran = [cell for cell in cells if cell not in missing]
    said = failures(ran, lambda cell: cell.glibc == "2.41", excluded=missing)
    assert said.finding is Finding.RULE
    assert (said.settling_count, said.unknown) == (0, len(missing))


def test_one_cell_carries_no_rule() -> None:
    cells = matrix()
    said = failures(cells, lambda cell: cell == cells[7])
    assert said.finding is Finding.ONE_CELL
    assert said.rules == ()
    assert cells[7].id in said.sentence
    said = failures(cells, lambda cell: cell != cells[7])
    assert said.finding is Finding.ALL_BUT_ONE


def test_what_is_everywhere_has_no_rule() -> None:
    said = failures(matrix(), lambda _: True)
    assert (said.finding, said.rules) == (Finding.EVERYWHERE, ())
    assert said.sentence == ("tls-atexit fails in all 36 cells that ran, so no axis makes a difference.")


@pytest.mark.parametrize("seed", range(20))
def test_an_accident_has_no_rule(seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - reproducible, not secret
    said = failures(matrix(), lambda _: dice.random() < 0.5)
    assert (said.finding, said.rules) == (Finding.NO_RULE, ())
    assert "no short rule over the axes describes them" in said.sentence


def test_a_cell_that_varies_is_named() -> None:
    cells = matrix()

    def vary(result: CellResult) -> CellResult:
        if result.cell != cells[0]:
            return result
        quiet = factory.quiet_trial(result.cell)
        loud = factory.crashed_trial(result.cell)
        return result.model_copy(update={"trials": (quiet, quiet, loud)})

    plan_cells = [
        PlannedCell(cell=cell, expectation=factory.SURVIVES, trials=3, timeout=9, image="k") for cell in cells
    ]
    plan = plan_of(plan_cells)
    found = explain(plan, [vary(factory.result_of(item)) for item in plan_cells]).explanations
    crash = next(item for item in found if item.subject is Subject.SIGNATURE)
    assert [(item.cell, item.shown, item.trials) for item in crash.mixed] == [(cells[0].id, 1, 3)]
    assert "In 1 cell only some of the trials show it" in crash.words


def test_trials_that_were_not_kept_are_counted_and_said_to_be_more() -> None:
    cells = matrix()
    planned = [
        PlannedCell(cell=cell, expectation=factory.SURVIVES, trials=9, timeout=9, image="k") for cell in cells
    ]
    results = [factory.result_of(item) for item in planned]
    trials = (factory.quiet_trial(cells[0]), factory.crashed_trial(cells[0]))
    results[0] = results[0].model_copy(update={"trials": trials, "not_kept": 7})
    found = explain(plan_of(planned), results).explanations
    crash = next(item for item in found if item.subject is Subject.SIGNATURE)
    assert [(item.shown, item.trials, item.not_kept) for item in crash.mixed] == [(1, 9, 7)]
    assert f"{cells[0].id} (at least 1 of 9)" in crash.words


@pytest.mark.parametrize("others", [(), ("latest",)])
def test_an_axis_with_a_value_that_is_no_version_gets_no_range(others: tuple[str, ...]) -> None:
    """Only versions of it ran; the project also has `latest`, so that -k compares none of them."""
    versions = ("1.0", "1.5", "2.0", "2.5", "3.0", "3.5", "4.0")
    cells = matrix(python=("3.9",), numpy=versions)
    planned = [
        PlannedCell(cell=cell, expectation=factory.SURVIVES, trials=1, timeout=9, image="k") for cell in cells
    ]
    vocabulary = {"scenario": ("tls-atexit",), **SMALL, "numpy": (*versions, *others)}
    plan = plan_of(planned).model_copy(
        update={"ordered": tuple(axis for axis in vocabulary if orders_as_version(axis, vocabulary[axis]))}
    )
    results = []
    for item in planned:
        bad = item.cell.axes["numpy"] in versions[:3]
        made = factory.judged(Verdict.FAIL if bad else Verdict.PASS, "said")(factory.result_of(item))
        assert made is not None
        results.append(made)
    said = explain(plan, results).explanations[0]
    expected = 'numpy in ("1.0", "1.5", "2.0")' if others else 'numpy < "2.5"'
    assert [rule.expression for rule in said.rules] == [expected]
    rule = parse(said.rules[0].expression, vocabulary, Location(file="rule"))
    assert [cell.id for cell in cells if rule.matches(rules.context(cell))] == list(said.cells)


def test_a_cell_whose_import_failed_speaks_neither_for_nor_against() -> None:
    cells = matrix()

    def broken(result: CellResult) -> CellResult:
        if result.cell.python != "3.9":
            return result
        (trial,) = result.trials
        said = {"exception": "ModuleNotFoundError: No module named 'x'"}
        outcome = trial.outcome.model_copy(update=said)
        failed = factory.judged(Verdict.FAIL, said["exception"])(result)
        assert failed is not None
        return failed.model_copy(update={"trials": (trial.model_copy(update={"outcome": outcome}),)})

    said = failures(cells, lambda cell: cell.glibc == "2.41", change=broken)
    assert [rule.expression for rule in said.rules] == ['glibc >= "2.41"']
    assert all("py3.9-" not in name for name in said.cells)
    assert said.unknown == sum(cell.python == "3.9" for cell in cells)


def test_a_cell_that_could_not_be_seen_speaks_neither_for_nor_against() -> None:
    cells = matrix()

    def unseen(result: CellResult) -> CellResult:
        if result.cell.glibc != "2.36":
            return result
        made = factory.judged(Verdict.ERROR, "its core was lost")(result)
        assert made is not None
        return made

    said = failures(cells, lambda cell: cell.glibc >= "2.36", change=unseen)
    assert [rule.expression for rule in said.rules] == ['glibc >= "2.41"']
    assert (said.shown, said.not_shown, said.unknown, said.settling_count) == (12, 12, 12, 12)
    assert said.settling[0].why == "error: its core was lost"


def test_signatures_and_outcomes_are_explained_and_not_twice() -> None:
    planned = [
        PlannedCell(
            cell=cell, expectation=factory.expectation_of(cell), trials=1, timeout=9, image=factory.KEY
        )
        for cell in matrix()
    ]
    plan = plan_of(planned)
    found = explain(plan, [factory.result_of(item) for item in planned]).explanations
    assert [(item.subject, item.name, [rule.expression for rule in item.rules]) for item in found] == [
        (
            Subject.SIGNATURE,
            "SIGSEGV (anonymous namespace)::atexit_handler",
            ['launcher == "uwsgi" and probe == "cpp"'],
        ),
        (Subject.OUTCOME, "exit 0", ['launcher == "plain" or probe == "rust"']),
    ]
    assert all(OutcomeKind.SIGNAL not in item.name for item in found)


def told(ending: Callable[[Cell], str], *, default: bool = True) -> list[str]:
    """The sentences of a run of user code whose cells exit with a status, or crash without a core."""
    expectation = factory.SURVIVES.model_copy(update={"is_default": default, "status": 0, "message": None})
    planned = [
        PlannedCell(cell=cell, expectation=expectation, trials=1, timeout=9, image=factory.KEY)
        for cell in matrix(probe=("none",))
    ]
    results = []
    for item in planned:
        # "0!" ends cleanly and fails all the same, as a server does that answers 500.
        how, failed = ending(item.cell).removesuffix("!"), ending(item.cell) not in ("0", "30")
        is_exit = how.isdigit()
        kind = OutcomeKind.EXIT if is_exit else OutcomeKind.SIGNAL
        made = factory.judged(Verdict.FAIL if failed else Verdict.PASS, "said")(factory.result_of(item))
        assert made is not None
        (trial,) = made.trials
        said = {"kind": kind, "status": int(how) if is_exit else None, "signal": None if is_exit else how}
        outcome = trial.outcome.model_copy(update=said)
        trial = trial.model_copy(update={"outcome": outcome, "crash": None, "others": ()})
        results.append(made.model_copy(update={"trials": (trial,), "expectation": expectation}))
    return [item.sentence for item in explain(plan_of(planned), results).explanations]


def test_of_user_code_one_sentence_says_what_happens_where() -> None:
    where = 'exactly where python < "3.13": 12 cells show it, 6 do not.'
    assert told(lambda cell: "0" if cell.python == "3.13" else "SIGSEGV") == [
        f"tls-atexit crashes with SIGSEGV {where}"
    ]
    assert told(lambda cell: "0" if cell.python == "3.13" else "3") == [
        f"tls-atexit ends with exit 3 {where}"
    ]


def test_of_user_code_the_clean_ends_of_each_server_are_not_said() -> None:
    clean = {"plain": "0", "uwsgi": "30"}
    (said,) = told(lambda cell: clean[cell.launcher] if cell.python == "3.13" else "SIGSEGV")
    assert said.startswith("tls-atexit crashes with SIGSEGV exactly where")


def test_of_user_code_that_fails_in_several_ways_each_is_said() -> None:
    ending = {"3.9": "SIGSEGV", "3.11": "SIGABRT", "3.13": "0"}
    assert told(lambda cell: ending[cell.python]) == [
        'tls-atexit crashes exactly where python < "3.13": 12 cells show it, 6 do not.',
        'tls-atexit ends with SIGABRT exactly where python == "3.11": 6 cells show it, 12 do not.',
        'tls-atexit ends with SIGSEGV exactly where python < "3.11": 6 cells show it, 12 do not.',
    ]
    mixed = told(lambda cell: ending[cell.python].replace("SIGABRT", "1"))
    assert mixed[0] == 'tls-atexit fails exactly where python < "3.13": 12 cells show it, 6 do not.'
    assert len(mixed) == 3
    answers = told(lambda cell: ending[cell.python].replace("SIGABRT", "0!"))
    assert answers[0] == 'tls-atexit fails exactly where python < "3.13": 12 cells show it, 6 do not.'
    assert told(lambda cell: "0!" if cell.python == "3.9" else "0")[0].startswith(
        "tls-atexit fails exactly where"
    )


def test_of_a_scenario_with_expectations_the_outcomes_are_said_too() -> None:
    said = told(lambda cell: "0" if cell.python == "3.13" else "SIGSEGV", default=False)
    assert said[0].startswith("tls-atexit fails exactly where")
    assert len(said) == 3


def test_an_axis_that_only_one_scenario_has_reads_none_in_the_other() -> None:
    cells = [
        Cell.from_axes(dict(SMALL_CELL) | {"scenario": "one", "launcher": launcher, "window": window})
        for launcher in ("plain", "uwsgi")
        for window in ("during", "after")
    ]
    cells += [Cell.from_axes(dict(SMALL_CELL) | {"scenario": "two", "launcher": "plain"})]
    space = Space.of(cells)
    found = shortest_rules(space, 0b00101, 0b11010)
    assert [rule_text(rule) for rule in found.rules] == ['window == "during"']


SMALL_CELL = {
    "python": "3.9",
    "glibc": "2.31",
    "arch": "x86_64",
    "probe": "cpp",
}


def search(world: rules.World, seed: int, missing: float) -> tuple[Found | None, list[Cell]]:
    """The rules for the cells that are left; None where those do not differ."""
    dice = random.Random(seed)  # noqa: S311 - reproducible, not secret
    ran = [cell for cell in world.cells if dice.random() >= missing]
    shown = sum(1 << at for at, cell in enumerate(ran) if cell.id in world.shown)
    others = ((1 << len(ran)) - 1) & ~shown
    return shortest_rules(Space.of(ran), shown, others) if shown and others else None, ran


@pytest.mark.parametrize("seed", range(200))
def test_a_true_rule_is_found_from_95_percent_of_its_cells(seed: int) -> None:
    world = rules.world(seed, smallest=100)
    found, ran = search(world, seed, 0.05)
    assert found is not None
    assert found.rules
    assert not found.cut
    assert found.cost <= world.cost
    assert all(agree(world, rule_text(rule), ran) for rule in found.rules)
    if len(found.rules) == 1 and found.cost == world.cost:
        assert agree(world, rule_text(found.rules[0]), world.cells)


def agree(world: rules.World, text: str, cells: Iterable[Cell]) -> bool:
    """Whether a rule, read back by the product's parser, is true of just the cells that show."""
    rule = world.parse(text)
    return all(rule.matches(rules.context(cell)) == (cell.id in world.shown) for cell in cells)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 1 << 30), missing=st.floats(0, 0.9))
def test_no_rule_is_wrong_about_a_cell_that_ran(seed: int, missing: float) -> None:
    world = rules.world(seed, largest=200)
    found, ran = search(world, seed, missing)
    assert found is None or all(agree(world, rule_text(rule), ran) for rule in found.rules)
    assert found == search(world, seed, missing)[0]


@settings(max_examples=60, deadline=None)
@given(
    marks=st.lists(st.booleans(), min_size=12, max_size=12),
    order=st.permutations(range(12)),
)
def test_no_shorter_conjunction_exists_and_the_order_of_cells_is_nothing(
    marks: list[bool], order: list[int]
) -> None:
    cells = matrix(python=("3.9",))
    shown = sum(1 << at for at, mark in enumerate(marks) if mark)
    others = 0xFFF & ~shown
    if shown.bit_count() < 2 or not others:
        return
    space = Space.of(cells)
    found = shortest_rules(space, shown, others)
    brute = brute_force(space, shown, others)
    if brute is not None:
        assert found.rules
        assert found.cost <= brute
    if any(len(rule) <= 2 for rule in found.rules):
        assert found.cost == brute
    shuffled = [cells[at] for at in order]
    again = shortest_rules(
        Space.of(shuffled),
        sum(1 << to for to, at in enumerate(order) if marks[at]),
        sum(1 << to for to, at in enumerate(order) if not marks[at]),
    )
    assert {rule_text(rule) for rule in again.rules} == {rule_text(rule) for rule in found.rules}


def brute_force(space: Space, shown: int, others: int) -> int | None:
    """The lowest cost of one or two conjunctions, by trying all; None where neither separates."""
    options = [(None, *axis.conditions) for axis in space.axes]
    terms: dict[int, int] = {}
    for chosen in product(*options):
        bits = -1
        for item in chosen:
            bits &= item.bits if item else -1
        cost = sum(item.cost for item in chosen if item)
        if not bits & others and (bits & shown).bit_count() >= 2:
            terms[bits & shown] = min(cost, terms.get(bits & shown, 99))
    best = [cost for bits, cost in terms.items() if bits == shown]
    best += [
        one + two + 1 for (bits, one), (more, two) in product(terms.items(), repeat=2) if bits | more == shown
    ]
    return min(best, default=None)


@pytest.mark.parametrize("noise", rules.NOISE)
def test_ten_thousand_cells_have_a_rule_where_no_cell_is_against_it(noise: float) -> None:
    plan, results = rules.noisy_run(noise)  # what this takes is measured by `nox -s bench -- explain`
    assert len(results) > 10_000
    said = explain(plan, results).explanations[0]
    assert bool(said.rules) == (noise == 0.0)


def test_ends_that_differ_by_message_alone_are_told_apart_where_all_were_as_expected() -> None:
    cells = matrix()
    new = factory.SURVIVES.model_copy(update={"message": "new text"})
    old = factory.SURVIVES.model_copy(update={"message": "old text"})
    planned = [
        PlannedCell(
            cell=cell, expectation=old if cell.glibc < "2.41" else new, trials=1, timeout=9, image="k"
        )
        for cell in cells
    ]
    results = [
        factory.result_of(item).model_copy(update={"trials": (factory.quiet_trial(item.cell),)})
        for item in planned
    ]
    found = explain(plan_of(planned), results).explanations
    assert [(item.name, item.rules[0].expression) for item in found] == [
        ("exit 0 with /new text/", 'glibc >= "2.41"'),
        ("exit 0 with /old text/", 'glibc < "2.41"'),
    ]
    results[0] = results[0].model_copy(
        update={"judgement": results[0].judgement.model_copy(update={"verdict": Verdict.FAIL})}
    )
    assert [item.subject for item in explain(plan_of(planned), results).explanations] == [Subject.FAILURE]


def test_a_rule_reads_back_as_an_expression() -> None:
    vocabulary = {"scenario": ("tls-atexit",), **SMALL}
    cells = matrix()
    said = failures(cells, lambda cell: cell.glibc < "2.41" and cell.probe == "cpp")
    rule = parse(said.rules[0].expression, vocabulary, Location(file="rule"))
    assert tuple(cell.id for cell in cells if rule.matches(rules.context(cell))) == said.cells


def test_the_first_cell_counts_like_every_other() -> None:
    whole = matrix()
    said = failures(whole, lambda cell: cell != whole[0])
    assert said.finding is Finding.ALL_BUT_ONE
    assert (said.shown, said.not_shown) == (len(whole) - 1, 1)


def test_a_signature_is_one_subject_in_all_scenarios_and_an_outcome_one_in_each(tmp_path: Path) -> None:
    cells = [
        cell.model_copy(update={"scenario": scenario})
        for scenario in ("zeta", "alpha")
        for cell in factory.smoke_cells()
    ]
    data = factory.load(factory.write_run(tmp_path, factory.RunSpec(cells=tuple(cells))))
    signature, *outcomes = explain(data.plan, data.results).explanations
    assert (signature.subject, signature.scenarios) == (Subject.SIGNATURE, ("zeta", "alpha"))
    assert [(item.subject, item.name, item.scenarios) for item in outcomes] == [
        (Subject.OUTCOME, name, (scenario,))
        for scenario in ("alpha", "zeta")
        for name in ("SIGSEGV", "exit 0")
    ]


def test_only_conjunctions_of_several_conditions_stand_in_parentheses() -> None:
    a, b, c = (
        Condition(axis=at, mask=1, bits=1, cost=1, text=f"{name} == 1", ranged=False)
        for at, name in enumerate("abc")
    )
    assert rule_text(((a, b), (c,))) == "(a == 1 and b == 1) or c == 1"
    assert rule_text(((a, b),)) == "a == 1 and b == 1"


def test_a_few_values_that_do_not_show_it_are_named_by_not_in() -> None:
    kinds = ("c", "c-embed", "cpp", "rust", "rust-embed")
    said = failures(matrix(probe=kinds), lambda cell: cell.probe not in ("c", "cpp"))
    assert [rule.expression for rule in said.rules] == ['probe not in ("c", "cpp")']


def test_any_set_of_values_has_a_condition_however_many_they_are() -> None:
    axis = Axis(0, "probe", tuple("abcdefghijklmn"), tuple(1 << at for at in range(14)), ordered=False)
    wanted = 0b10101011
    assert wanted not in {condition.mask for condition in axis.conditions}
    found = axis.exactly(wanted)
    assert (found.mask, found.bits, found.cost) == (wanted, wanted, 5)
    assert found.text == 'probe in ("a", "b", "d", "f", "h")'
    assert axis.exactly(0b100).text == 'probe == "c"'
