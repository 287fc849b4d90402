"""Explanations: which axes make the difference, in the product's own expression language and in words.

The words are made once, by the station `explain`, and every report prints the same ones.
"""

from enum import StrEnum

from orchestrator.model.base import SCHEMA, Value


class Subject(StrEnum):
    """What an explanation is about, worst first."""

    FAILURE = "failure"
    """The cells of one scenario whose verdict is `fail`."""
    SIGNATURE = "signature"
    """The cells that crashed with one signature."""
    OUTCOME = "outcome"
    """The cells of one scenario that ended in one way, as expected or not."""


class Finding(StrEnum):
    """What the cells that ran carry."""

    RULE = "rule"
    """Exactly one shortest rule."""
    TIE = "tie"
    """Several equally short rules, which these cells cannot tell apart."""
    EVERYWHERE = "everywhere"
    """Every cell that ran shows it, so nothing sets it apart."""
    ONE_CELL = "one cell"
    """One cell shows it: no rule is drawn from a single cell."""
    ALL_BUT_ONE = "all but one"
    """One cell does not show it, and no single condition or conjunction says which."""
    NO_RULE = "no rule"
    """No rule within the stated cost separates the cells."""


class Boundary(Value):
    """Where an ordered axis turns: between two values that ran and stand next to each other."""

    axis: str
    below: str
    above: str


class Rule(Value):
    """A rule that holds in exactly the cells that show the subject, of those that ran.

    `cost` is how many values it writes, and one more for each `or`; no exact rule has a lower one.
    """

    expression: str
    axes: tuple[str, ...]
    cost: int
    boundaries: tuple[Boundary, ...] = ()


class SettlingCell(Value):
    """A cell that did not run and about which the equally short rules disagree."""

    cell: str
    why: str
    """Why it did not run: its exclusion's reason, its error, or that it was not started."""


class MixedCell(Value):
    """A cell in which some trials showed the subject and some did not.

    `shown` counts those whose evidence was kept; `not_kept` of the `trials` ended as others of them did.
    """

    cell: str
    shown: int
    trials: int
    not_kept: int = 0


class Explanation(Value):
    """Which axes make the difference for one subject.

    Of the cells of `scenarios` that ran, `shown` cells show it and `not_shown` do not; `unknown` cells
    did not run, were excluded or ended in an error. Lists are cut, so each has its count beside it.
    """

    subject: Subject
    name: str
    """The signature, the outcome (`exit 30`, `SIGSEGV`), or the name of the failing scenario."""
    scenarios: tuple[str, ...]
    finding: Finding
    rules: tuple[Rule, ...] = ()
    """Equally short rules, in a fixed order; more than one only where these cells cannot tell."""
    rules_count: int = 0
    """At least so many rules; more than are listed where the list was cut."""
    shown: int
    not_shown: int
    unknown: int
    cells: tuple[str, ...] = ()
    """Cells that show it, in the plan's order."""
    settling: tuple[SettlingCell, ...] = ()
    settling_count: int = 0
    mixed: tuple[MixedCell, ...] = ()
    mixed_count: int = 0
    together: tuple[tuple[str, ...], ...] = ()
    """Axes of the rules that change together in all cells that ran, so that none can be told from another."""
    silent: dict[str, str] = {}
    """Axes of which one value ran: nothing is said about them."""
    sentence: str
    notes: tuple[str, ...] = ()
    """Further sentences: what cannot be told, what would settle it, boundaries, cells that vary."""

    @property
    def words(self) -> str:
        """All that is said, as one paragraph of plain text."""
        return " ".join((self.sentence, *self.notes))


class Explanations(Value):
    """explanations.json of a run's folder, worst subjects first."""

    schema_version: int = SCHEMA
    run: str
    explanations: tuple[Explanation, ...] = ()
