"""Every sentence of an explanation, word for word, and what a rule tells of cells that did not run."""

import pytest

from orchestrator.explain.explain import _holds
from orchestrator.explain.search import MOST_RULES
from orchestrator.explain.space import Axis, Condition, Space
from orchestrator.explain.words import READABLE, notes, sentence
from orchestrator.model import Boundary, Cell, Explanation, Finding, MixedCell, Rule, SettlingCell, Subject


def said(finding: Finding = Finding.RULE, **parts: object) -> Explanation:
    made = Explanation(
        subject=Subject.OUTCOME,
        name="exit 3",
        scenarios=("a",),
        finding=finding,
        shown=2,
        not_shown=3,
        unknown=0,
        cells=("a/one", "a/two"),
        sentence="",
    )
    return made.model_copy(update=parts)


def rules(*texts: str, axes: tuple[str, ...] = ("glibc",)) -> tuple[Rule, ...]:
    return tuple(Rule(expression=text, axes=axes, cost=1) for text in texts)


ONE = rules('glibc < "2.41"')


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (said(rules=ONE), 'a ends with exit 3 exactly where glibc < "2.41": 2 cells show it, 3 do not.'),
        (
            said(rules=ONE, shown=1, not_shown=1, scenarios=("a", "b", "c")),
            'a, b and c end with exit 3 exactly where glibc < "2.41": 1 cell shows it, 1 does not.',
        ),
        (
            said(rules=ONE, subject=Subject.FAILURE, shown=1234, not_shown=5678),
            'exit 3 fails exactly where glibc < "2.41": 1,234 cells show it, 5,678 do not.',
        ),
        (
            said(rules=ONE, subject=Subject.SIGNATURE),
            'a crashes with exit 3 exactly where glibc < "2.41": 2 cells show it, 3 do not.',
        ),
        (
            said(rules=ONE, subject=Subject.SIGNATURE, name="hang read > f"),
            'a hangs in read > f exactly where glibc < "2.41": 2 cells show it, 3 do not.',
        ),
        (
            said(rules=ONE, subject=Subject.SIGNATURE, scenarios=("a", "b")),
            'a and b crash with exit 3 exactly where glibc < "2.41": 2 cells show it, 3 do not.',
        ),
        (
            said(Finding.EVERYWHERE, not_shown=0),
            "a ends with exit 3 in all 2 cells that ran, so no axis makes a difference.",
        ),
        (
            said(Finding.EVERYWHERE, shown=1, not_shown=0),
            "a ends with exit 3 in the one cell that ran, so no axis makes a difference.",
        ),
        (
            said(Finding.ONE_CELL, shown=1),
            "a ends with exit 3 in 1 of 4 cells that ran: a/one. One cell is too few for a rule.",
        ),
        (
            said(Finding.ALL_BUT_ONE, not_shown=1),
            "a ends with exit 3 in all but one of 3 cells that ran. One cell is too few for a rule.",
        ),
        (
            said(Finding.NO_RULE),
            "a ends with exit 3 in 2 of 5 cells that ran; no short rule over the axes describes them.",
        ),
        (
            said(Finding.TIE, rules=rules("x", "y"), rules_count=2),
            "a ends with exit 3 exactly where x, or equally where y: 2 cells show it, 3 do not.",
        ),
        (
            said(Finding.TIE, rules=rules("x", "y"), rules_count=3),
            "a ends with exit 3 exactly where x, or equally where y (and 1 more rule): "
            "2 cells show it, 3 do not.",
        ),
        (
            said(Finding.TIE, rules=rules("x", "y"), rules_count=4),
            "a ends with exit 3 exactly where x, or equally where y (and 2 more rules): "
            "2 cells show it, 3 do not.",
        ),
        (
            said(Finding.TIE, rules=rules("x"), rules_count=MOST_RULES),
            f"a ends with exit 3 exactly where x (and at least {MOST_RULES - 1} more rules): "
            "2 cells show it, 3 do not.",
        ),
        (
            said(Finding.TIE, rules=rules("x"), rules_count=MOST_RULES - 1),
            f"a ends with exit 3 exactly where x (and {MOST_RULES - 2} more rules): "
            "2 cells show it, 3 do not.",
        ),
    ],
)
def test_the_sentence(item: Explanation, words: str) -> None:
    assert sentence(item) == words


def test_rules_are_listed_while_they_can_be_read() -> None:
    first = "x" * (READABLE - len(", or equally where y"))
    both = said(Finding.TIE, rules=rules(first, "y"), rules_count=2)
    assert f"{first}, or equally where y:" in sentence(both)
    longer = said(Finding.TIE, rules=rules(f"{first}x", "y"), rules_count=2)
    assert f"{first}x (and 1 more rule):" in sentence(longer)
    longest = said(Finding.TIE, rules=rules("x" * (READABLE + 1), "y"), rules_count=2)
    assert f"{'x' * (READABLE + 1)} (and 1 more rule):" in sentence(longest)


def settling(*reasons: str) -> tuple[SettlingCell, ...]:
    return tuple(SettlingCell(cell=f"a/{number}", why=why) for number, why in enumerate(reasons))


def mixed(*counts: tuple[int, int, int]) -> tuple[MixedCell, ...]:
    return tuple(
        MixedCell(cell=f"a/{number}", shown=shown, trials=trials, not_kept=not_kept)
        for number, (shown, trials, not_kept) in enumerate(counts)
    )


BOUNDARY = Boundary(axis="glibc", below="2.36", above="2.41")
TURNS = ONE[0].model_copy(update={"boundaries": (BOUNDARY,)})
TURNS_TWICE = ONE[0].model_copy(
    update={"boundaries": (BOUNDARY, Boundary(axis="python", below="3.9", above="3.10"))}
)


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (said(rules=ONE), []),
        (
            said(
                Finding.TIE, rules=rules("x", "y", axes=("glibc", "python")), together=(("glibc", "python"),)
            ),
            ["glibc and python change together here and cannot be told apart."],
        ),
        (
            said(
                Finding.TIE,
                rules=rules("x", axes=("glibc", "python", "arch", "probe")),
                together=(("glibc", "python"), ("arch", "probe", "launcher")),
            ),
            ["glibc and python, and arch and probe change together here and cannot be told apart."],
        ),
        (
            said(Finding.TIE, rules=rules("x", "y"), together=(("glibc", "python"),)),
            ["These cells do not tell which of these rules holds."],
        ),
        (
            said(rules=ONE, settling=settling("not run"), settling_count=1),
            ["One cell that did not run would tell more: a/0 (not run)."],
        ),
        (
            said(rules=ONE, settling=settling("not run", "excluded: z"), settling_count=2),
            ["2 cells that did not run would tell more: a/0 (not run); a/1 (excluded: z)."],
        ),
        (
            said(rules=ONE, settling=settling("not run", "excluded: z", "not run"), settling_count=1003),
            [
                "1,003 cells that did not run would tell more: a/0 (not run); a/1 (excluded: z); "
                "and 1,001 more."
            ],
        ),
        (said(rules=(TURNS,)), ["The boundary lies between glibc 2.36 and 2.41."]),
        (
            said(rules=(TURNS_TWICE, TURNS)),
            ["The boundaries lie between glibc 2.36 and 2.41 and python 3.9 and 3.10."],
        ),
        (
            said(rules=ONE, mixed=mixed((1, 3, 0)), mixed_count=1),
            ["In 1 cell only some of the trials show it: a/0 (1 of 3); more trials may change the rule."],
        ),
        (
            said(rules=ONE, mixed=mixed((1, 3, 0), (2, 9, 4)), mixed_count=2),
            [
                "In 2 cells only some of the trials show it: a/0 (1 of 3), a/1 (at least 2 of 9); "
                "more trials may change the rule."
            ],
        ),
        (
            said(rules=ONE, mixed=mixed((1, 3, 0)), mixed_count=1001),
            [
                "In 1,001 cells only some of the trials show it: a/0 (1 of 3), and 1,000 more; "
                "more trials may change the rule."
            ],
        ),
        (
            said(rules=ONE, silent={"arch": "x86_64", "mitigation": "none"}),
            ["Not tested: other values of arch (only x86_64 ran)."],
        ),
        (
            said(Finding.EVERYWHERE, silent={"arch": "x86_64", "probe": "c", "python": "3.9"}),
            [
                "Not tested: other values of arch (only x86_64 ran), probe (only c ran) "
                "and python (only 3.9 ran).",
            ],
        ),
        (said(Finding.NO_RULE, silent={"arch": "x86_64"}), []),
    ],
)
def test_the_notes(item: Explanation, words: list[str]) -> None:
    assert list(notes(item, cut=False)) == words


def test_a_search_that_was_cut_says_so() -> None:
    assert list(notes(said(rules=ONE), cut=True)) == ["The search for a shorter rule stopped at its limit."]


def versions(*values: str) -> Axis:
    return Axis(
        index=0, name="glibc", values=values, bits=tuple(1 << at for at, _ in enumerate(values)), ordered=True
    )


AXIS = versions("none", "2.31", "2.36", "2.41", "2.43")
BELOW = Condition(axis=0, mask=0b00110, bits=0b00110, cost=1, text='glibc < "2.41"', ranged=True)
NAMED = Condition(axis=0, mask=0b00100, bits=0b00100, cost=1, text='glibc == "2.36"', ranged=False)


@pytest.mark.parametrize(
    ("condition", "value", "tells"),
    [
        (BELOW, "2.31", True),
        (BELOW, "2.43", False),
        (BELOW, "2.35", True),  # between two that show it
        (BELOW, "2.42", False),  # between two that do not
        (BELOW, "2.39", None),  # between one that does and one that does not
        (BELOW, "2.17", None),  # below all that ran
        (BELOW, "2.44", None),  # above all that ran
        (BELOW, "none", False),
        (NAMED, "2.36", True),
        (NAMED, "2.41", False),
        (NAMED, "2.35", None),
    ],
)
def test_what_a_condition_tells_of_a_version_that_did_not_run(
    condition: Condition, value: str, tells: bool | None
) -> None:
    assert AXIS.tells(condition, value) is tells


def test_an_absent_value_that_did_not_run_is_unknown() -> None:
    assert versions("2.31", "2.36", "2.41").tells(BELOW, "none") is None


def cell(glibc: str, launcher: str) -> Cell:
    return Cell.from_axes(
        {
            "scenario": "a",
            "python": "3.11",
            "glibc": glibc,
            "arch": "x86_64",
            "launcher": launcher,
            "probe": "cpp",
        }
    )


def test_a_rule_matches_by_any_conjunction_and_each_by_all_its_conditions() -> None:
    space = Space.of([cell(glibc, launcher) for glibc in ("2.31", "2.41") for launcher in ("plain", "uwsgi")])
    by_name = {axis.name: axis for axis in space.axes}
    old = by_name["glibc"].exactly(1)
    served = by_name["launcher"].exactly(2)
    other = {"glibc": "2.36", "launcher": "plain"}
    assert _holds(space, ((old, served),), {"glibc": "2.31", "launcher": "uwsgi"}) is True
    assert _holds(space, ((old, served),), {"glibc": "2.31", "launcher": "plain"}) is False
    assert _holds(space, ((old,), (served,)), {"glibc": "2.31", "launcher": "plain"}) is True
    assert _holds(space, ((old,), (served,)), {"glibc": "2.41", "launcher": "plain"}) is False
    assert _holds(space, ((old,), (served,)), other) is None  # between 2.31 and 2.41, not served
    assert _holds(space, ((old, served),), other) is False  # whatever its glibc does
    assert _holds(space, ((old,), (served,)), {"glibc": "2.36", "launcher": "uwsgi"}) is True
    assert _holds(space, ((old,),), {"launcher": "uwsgi"}) is None  # a cell without that axis
