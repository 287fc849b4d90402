"""Explanations: which axes make the difference, in the expression language and in words.

The station `explain` makes the words once; every report prints them.
"""

from enum import StrEnum

from orchestrator.model.base import SCHEMA, Integer, Value


class Subject(StrEnum):
    """The kind of subject that an explanation is about, worst first."""

    FAILURE = "failure"
    """The cells of one scenario whose verdict is `fail`."""
    SIGNATURE = "signature"
    """The cells that crashed with one signature."""
    OUTCOME = "outcome"
    """The cells of one scenario that ended in one way, as expected or not."""


class Finding(StrEnum):
    """The kind of rule that the cells that ran support."""

    RULE = "rule"
    """Exactly one shortest rule."""
    TIE = "tie"
    """Several equally short rules, which these cells cannot tell apart."""
    EVERYWHERE = "everywhere"
    """Every cell that ran shows it."""
    ONE_CELL = "one cell"
    """One cell shows it, which supports no rule."""
    ALL_BUT_ONE = "all but one"
    """One cell does not show it, and no conjunction tells which."""
    NO_RULE = "no rule"
    """No rule within the stated cost separates the cells."""


class Boundary(Value):
    """The place where an ordered axis changes: between two neighbouring values that ran."""

    axis: str
    below: str
    above: str


class Rule(Value):
    """A rule that matches exactly the cells that show the subject, among those that ran.

    `cost` is the number of values it writes plus one for each `or`; no exact rule has a lower cost.
    """

    expression: str
    axes: tuple[str, ...]
    cost: Integer
    boundaries: tuple[Boundary, ...] = ()


class SettlingCell(Value):
    """A cell that did not run and about which the equally short rules disagree."""

    cell: str
    why: str
    """Why it has no verdict: its exclusion's reason, its error, or that it was not started."""


class MixedCell(Value):
    """A cell in which some trials show the subject and some do not.

    `shown` counts kept trials; `not_kept` of the `trials` ended as one of the kept ones did.
    """

    cell: str
    shown: Integer
    trials: Integer
    not_kept: Integer = 0


class Explanation(Value):
    """Which axes make the difference for one subject.

    Of the cells of `scenarios` that ran, `shown` cells show it and `not_shown` do not; `unknown` cells
    did not run, are excluded or ended in an error. Lists are shortened; each has its count beside it.
    """

    subject: Subject
    name: str
    """The signature, the outcome (`exit 30`, `SIGSEGV`), or the name of the failing scenario."""
    happened: str = ""
    """What happens at a failure (`crashes with SIGSEGV`), if that is one thing and there is no `expect`."""
    scenarios: tuple[str, ...]
    finding: Finding
    rules: tuple[Rule, ...] = ()
    """Equally short rules in a fixed order; more than one only if the cells cannot tell them apart."""
    rules_count: Integer = 0
    """The number of rules found, at least; `rules` may list fewer."""
    shown: Integer
    not_shown: Integer
    unknown: Integer
    cells: tuple[str, ...] = ()
    """Cells that show it, in the plan's order."""
    settling: tuple[SettlingCell, ...] = ()
    settling_count: Integer = 0
    crossing: str | None = None
    """Of a tie: a cell outside of the plan on which the rules disagree, if its environment can be had."""
    mixed: tuple[MixedCell, ...] = ()
    mixed_count: Integer = 0
    together: tuple[tuple[str, ...], ...] = ()
    """Axes of the rules that change together in all cells that ran and cannot be told apart."""
    silent: dict[str, str] = {}
    """Axes with only one value that ran, by that value; the rules say nothing about them."""
    sentence: str
    notes: tuple[str, ...] = ()
    """Further sentences: ties, cells that would settle them, boundaries, cells whose trials vary."""

    @property
    def words(self) -> str:
        """The sentence and the notes as one paragraph of plain text."""
        return " ".join((self.sentence, *self.notes))


class Explanations(Value):
    """explanations.json of a run's folder, worst subjects first."""

    schema_version: Integer = SCHEMA
    run: str
    explanations: tuple[Explanation, ...] = ()
