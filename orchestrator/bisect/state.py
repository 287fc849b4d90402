"""The state of a bisection: the tested values, their outcomes, and what to test next."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from orchestrator.bisect.reading import Endings, Subject, endings_of, subject_of
from orchestrator.bisect.search import Search
from orchestrator.bisect.trials import trials_to_miss
from orchestrator.model import CellResult, Rate, TestedValue

ENOUGH: Final = 6
"""Trials that must show the subject before its rate says how many trials other values need."""


@dataclass(frozen=True, kw_only=True)
class Ask:
    """A cell to run: up to `trials`, until `enough` of them show something."""

    at: int
    trials: int
    enough: int


@dataclass(kw_only=True)
class State:
    """The values of an axis in their order, with their outcomes.

    `trials` are those of an end at first; `most` is the largest number that a value is given.
    """

    values: Sequence[str]
    trials: int
    most: int
    search: Search = field(init=False)
    found: dict[int, Endings] = field(default_factory=dict)
    cells: dict[int, str] = field(default_factory=dict)
    """The id of the cell of each value that was tested."""
    skipped: dict[int, str] = field(default_factory=dict)
    subject: Subject | None = None
    _example: int | None = None
    """A position that shows the subject, of which enough trials were run: its rate is the subject's."""

    def __post_init__(self) -> None:
        """Start with no tested value."""
        self.search = Search(count=len(self.values))

    def skip(self, at: int, reason: str) -> None:
        """Skip a value that has no environment."""
        self.skipped[at] = reason
        self.search.skipped.add(at)

    def record(self, ask: Ask, cell: str, result: CellResult) -> None:
        """Add the result of a cell."""
        at, endings = ask.at, endings_of(result)
        self.search.tested.add(at)
        self.cells[at] = cell
        self.found[at] = endings
        if endings.unusable:
            self.search.skipped.add(at)
        self._look(ask)

    def next(self) -> tuple[Ask, ...]:
        """The cells to run now; none where the bisection is at its end. A value may be tested again."""
        if ends := self.search.ends():
            may = ends[: self.search.left]
            return tuple(Ask(at=at, trials=self.trials, enough=ENOUGH) for at in may)
        if self.subject is None and self.is_mixed:
            return ()
        if again := self._again():
            return (again,)
        at = self.search.next()
        return () if at is None else (Ask(at=at, trials=self._needed, enough=1 if self.subject else ENOUGH),)

    @property
    def is_mixed(self) -> bool:
        """Whether some value that was tested ends in several ways."""
        return any(len(found.kept) > 1 for found in self.found.values() if not found.unusable)

    @property
    def rate(self) -> Rate | None:
        """The rate of the subject at the value where it was first seen."""
        if self.subject is None or self._example is None:
            return None
        found = self.found[self._example]
        return Rate.of("showed it", self.subject.shown(found) or 0, found.trials)

    @property
    def quiet(self) -> tuple[int, ...]:
        """The trials of each value that does not show the subject."""
        return tuple(self.found[at].trials for at, shows in self.search.known.items() if not shows)

    def tested(self, at: int) -> TestedValue:
        """The observation of a tested value."""
        found = self.found[at]
        shown = self.subject.shown(found) if self.subject else 0
        other = "" if shown is not None else f"ends in {' and '.join(found.kept)}, as no end of the axis does"
        return TestedValue(
            value=self.values[at],
            cell=self.cells[at],
            ended=tuple(found.kept),
            shown=shown or 0,
            trials=found.trials,
            skipped=found.unusable or other,
        )

    def _look(self, ask: Ask) -> None:
        """Read all results again: the subject may be known now, and the other values are judged by it."""
        usable = {at: found for at, found in self.found.items() if not found.unusable}
        if self.subject is None and len(usable) > 1:
            first = min(usable)
            other = max(usable) if ask.at == first else ask.at
            self.subject = subject_of(usable[first], usable[other])
            if self.subject:
                self._example = other if self.subject.shows_last else first
        for at, found in usable.items():
            shown = self.subject.shown(found) if self.subject else 0
            self.search.known.pop(at, None)
            if shown is None:
                self.search.skipped.add(at)
            else:
                self.search.known[at] = shown > 0

    def _again(self) -> Ask | None:
        """A value that needs more trials: first one that shows the subject rarely, then a quiet end."""
        rate, at = self.rate, self._example
        if rate is None or at is None:
            return None
        if rate.count < ENOUGH and rate.trials < self.most:
            return Ask(at=at, trials=self.most, enough=ENOUGH)
        short = (
            other
            for other in (min(self.search.known), max(self.search.known))
            if not self.search.known[other] and self.found[other].trials < self._needed
        )
        other = next(short, None)
        return None if other is None else Ask(at=other, trials=self._needed, enough=1)

    @property
    def _needed(self) -> int:
        """Trials after which a value may be called quiet."""
        rate = self.rate
        if rate is None:
            return self.trials
        return min(self.most, trials_to_miss(rate, len(self.search.tested) + max(self.search.left, 0)))
