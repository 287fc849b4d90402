"""How long a plan takes, by earlier runs or a model, and which of its cells a time budget leaves out."""

from enum import StrEnum
from typing import Final

from orchestrator.model.base import Integer, Seconds, Value

MINUTE: Final = 60


class Estimate(Value):
    """How long the cells of a plan take on one machine with two processors, with all images to build."""

    cells: Seconds
    builds: Seconds
    measured: Integer
    """How many of the cells an earlier run measured; the others are by a model."""
    shards: tuple[Seconds, ...] = ()
    """Of a shard's plan: all shards, cells and builds together."""

    @property
    def words(self) -> str:
        """The times in minutes, in a sentence."""
        parts = f"{minutes(self.cells)} of cells, {minutes(self.builds)} of builds where no image is there"
        every = f"; all shards: {', '.join(map(minutes, self.shards))} min" if self.shards else ""
        return (
            f"About {minutes(self.cells + self.builds)} min on 2 processors: {parts} "
            f"({self.measured:,} cells as measured before){every}."
        )


def minutes(seconds: float) -> str:
    """A time in minutes; a short one with a tenth."""
    return f"{seconds / MINUTE:,.0f}" if seconds >= 10 * MINUTE else f"{seconds / MINUTE:.1f}"


class Turn(StrEnum):
    """Why a budget takes a cell before others, in the order in which they are taken."""

    FAILED = "failed last"
    NEW = "new"
    COVER = "cover"
    """It has a pair of axis values that no cell chosen before it has."""
    OLD = "oldest verdicts"


class Turns(Value):
    """The cells of one turn."""

    turn: Turn
    cells: Integer
    left_out: Integer


class Budget(Value):
    """The cells that fit into a time, of all shards."""

    limit: Seconds
    """Of one machine; shards share it."""
    turns: tuple[Turns, ...]

    @property
    def cells(self) -> int:
        """How many cells fit."""
        return sum(item.cells for item in self.turns)

    @property
    def left_out(self) -> int:
        """How many do not."""
        return sum(item.left_out for item in self.turns)

    @property
    def words(self) -> str:
        """The cells that fit and those that do not, by the order in which they were taken."""
        turns = ", ".join(
            f"{item.cells:,} of {item.cells + item.left_out:,} ({item.turn})" for item in self.turns
        )
        return (
            f"Budget of {minutes(self.limit)} min: {self.cells:,} cells fit, {self.left_out:,} are left out; "
            f"in this order {turns}."
        )
