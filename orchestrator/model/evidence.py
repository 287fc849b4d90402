"""What an instrument says of a trial, besides how its process ended."""

from typing import Annotated

from pydantic import Field

from orchestrator.model.base import Value
from orchestrator.model.cell import Instrument


class Sighting(Value):
    """One kind of thing that an instrument saw, with how often, and the first of them in its own words.

    For strace `kind` is the call and its error, for example `execve EFAULT`.
    """

    kind: str
    count: Annotated[int, Field(ge=1)]
    first: str


class Evidence(Value):
    """The sightings of one instrument in one trial; `path` is its whole output, in the run's folder."""

    instrument: Instrument
    sightings: tuple[Sighting, ...] = ()
    path: str | None = None
    note: str | None = None
    """What is not whole, or why there is nothing."""

    def count(self, kind: str) -> int:
        """How often a kind of thing was seen."""
        return sum(sighting.count for sighting in self.sightings if sighting.kind == kind)


class WantedSighting(Value):
    """What an expectation wants of the evidence: a kind, seen at least (and at most) so often."""

    kind: str
    at_least: Annotated[int, Field(ge=0)] = 1
    at_most: Annotated[int, Field(ge=0)] | None = None
