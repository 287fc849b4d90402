"""Random matrices and random true rules over them, for tests of explanations; all from one seed."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from orchestrator.errors import Location
from orchestrator.matrix.expression import CellContext, Expression, parse
from orchestrator.model import (
    MATRIX_ARCHES,
    Arch,
    Cell,
    CellResult,
    Judgement,
    Plan,
    PlannedCell,
    PlannedCells,
    Verdict,
)
from tests.unit import run_factory as factory

VALUES: Mapping[str, Sequence[str]] = {
    "python": ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14"),
    "glibc": ("2.17", "2.28", "2.31", "2.36", "2.39", "2.41", "2.43"),
    "arch": MATRIX_ARCHES,
    "launcher": ("plain", "uwsgi", "gunicorn"),
    "probe": ("cpp", "rust", "c", "c-embed"),
    "window": ("during", "after", "before"),
    "numpy": ("1.26", "2.0", "2.3"),
}
LARGE: Mapping[str, Sequence[str]] = {
    "python": tuple(f"3.{minor}" for minor in range(7, 15)),
    "glibc": ("2.17", "2.28", "2.31", "2.36", "2.41", "2.43"),
    "arch": MATRIX_ARCHES,
    "launcher": ("plain", "uwsgi", "gunicorn"),
    "probe": ("cpp", "rust", "c"),
    "window": ("before", "during", "after"),
    "mitigation": ("none", "skip", "guard", "lock"),
}
NOISE = (0.0, 0.002, 0.5)
"""Shares of cells that are turned: cells of a rule, of a rule with exceptions, and of none."""
ORDERED = ("python", "glibc", "numpy")


@dataclass(frozen=True, kw_only=True)
class World:
    """A matrix with a rule that is true of it: `cost` counts as orchestrator.explain.search does."""

    axes: Mapping[str, tuple[str, ...]]
    cells: tuple[Cell, ...]
    text: str
    cost: int
    shown: frozenset[str]

    def parse(self, text: str) -> Expression:
        """An expression over this world's axes, by the product's own parser."""
        return parse(text, {"scenario": ("s",), **self.axes}, Location(file="rule", line=1, column=1))


def context(cell: Cell) -> CellContext:
    """A cell as expressions see it."""
    return CellContext(axes=cell.axes, host=Arch.X86_64)


def world(seed: int, *, smallest: int = 1, largest: int = 2000) -> World:
    """A random world of this many cells; at least two show the subject, and two do not."""
    dice = random.Random(seed)  # noqa: S311 - reproducible, not secret
    while True:
        axes = _matrix(dice, largest)
        cells = tuple(
            Cell.from_axes({"scenario": "s"} | dict(zip(axes, values, strict=True)))
            for values in product(*axes.values())
        )
        text, cost = _rule(dice, axes)
        made = World(axes=axes, cells=cells, text=text, cost=cost, shown=frozenset())
        rule = made.parse(text)
        shown = frozenset(cell.id for cell in cells if rule.matches(context(cell)))
        if len(cells) >= smallest and 2 <= len(shown) <= len(cells) - 2:
            return World(axes=axes, cells=cells, text=text, cost=cost, shown=shown)


def _matrix(dice: random.Random, largest: int) -> dict[str, tuple[str, ...]]:
    axes: dict[str, tuple[str, ...]] = {}
    size = 1
    for name, values in VALUES.items():
        count = dice.randint(1, len(values))
        if size * count > largest:
            count = 1
        size *= count
        chosen = set(dice.sample(range(len(values)), count))
        axes[name] = tuple(value for at, value in enumerate(values) if at in chosen)
    return axes


def _rule(dice: random.Random, axes: Mapping[str, tuple[str, ...]]) -> tuple[str, int]:
    """One to three conjunctions of one to three conditions."""
    terms: list[str] = []
    cost = 0
    for _ in range(dice.choice((1, 1, 1, 2, 2, 3))):
        wide = [name for name, values in axes.items() if len(values) > 1]
        chosen = dice.sample(wide, min(len(wide), dice.randint(1, 3))) or ["arch"]
        conditions = [_condition(dice, name, axes[name]) for name in chosen]
        terms.append(" and ".join(text for text, _ in conditions))
        cost += sum(price for _, price in conditions)
    return " or ".join(f"({term})" for term in terms), cost + len(terms) - 1


def _condition(dice: random.Random, name: str, values: Sequence[str]) -> tuple[str, int]:
    value = dice.choice(values)
    forms = [(f'{name} == "{value}"', 1), (f'{name} != "{value}"', 1)]
    if name in ORDERED:
        forms += [(f'{name} < "{value}"', 1), (f'{name} >= "{value}"', 1)] * 2
        if len(values) > 3:
            low, high = sorted(dice.sample(range(len(values)), 2))
            forms.append((f'"{values[low]}" <= {name} < "{values[high]}"', 2))
    if len(values) > 3:
        two = dice.sample(list(values), 2)
        forms.append((f'{name} in ("{two[0]}", "{two[1]}")', 2))
    return dice.choice(forms)


def noisy_run(noise: float) -> tuple[Plan, list[CellResult]]:
    """A run of more than 10,000 cells that fail by one rule, but for the share `noise` of them."""
    dice = random.Random(1)  # noqa: S311 - reproducible, not secret
    cells = [
        Cell.from_axes({"scenario": "s"} | dict(zip(LARGE, values, strict=True)))
        for values in product(*LARGE.values())
    ]
    item = PlannedCell(cell=cells[0], expectation=factory.SURVIVES, trials=1, timeout=9, image=factory.KEY)
    plan = Plan(
        run="large",
        created=factory.STARTED,
        profile="large",
        selection="",
        cells=PlannedCells.of(item.model_copy(update={"cell": cell}) for cell in cells),
        excluded=(),
        deselected=0,
        images=(),
    )
    judged = {
        verdict: factory.result_of(item).model_copy(
            update={"judgement": Judgement(verdict=verdict, reason="said")}
        )
        for verdict in (Verdict.PASS, Verdict.FAIL)
    }
    results: list[CellResult] = []
    for cell in cells:
        fails = (cell.glibc < "2.41" and cell.launcher == "uwsgi") != (dice.random() < noise)
        result = judged[Verdict.FAIL if fails else Verdict.PASS]
        results.append(result.model_copy(update={"cell": cell}))
    return plan, results
