"""The chosen cells of a plan with their times: budgets, shards, and how long all of it takes."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

from orchestrator import matrix
from orchestrator.errors import InputError
from orchestrator.model import ABSENT, INSTRUMENT, Budget, Cover, Estimate, Turn, Turns
from orchestrator.pipeline import budget
from orchestrator.pipeline.plan_cells import ChosenRows, candidates, cell_id, groups, part, shards_of
from orchestrator.pipeline.shards import Piece, builds, seconds
from orchestrator.pipeline.times import AT_ONCE, Builds, Past, filled, model_seconds


@dataclass(frozen=True, kw_only=True)
class TimedRows:
    """Rows of a plan with the seconds of each, and what is built for each kind of cell."""

    rows: ChosenRows
    seconds: tuple[float, ...]
    builds: tuple[Sequence[tuple[Hashable, float]], ...]
    verdicts: tuple[tuple[str, str] | None, ...]
    measured: tuple[bool, ...]

    @classmethod
    def of(cls, rows: ChosenRows, builds_of: Builds, past: Past) -> "TimedRows":
        """The times of rows, by earlier runs and the model."""
        known = bool(past.seconds or past.verdicts)
        ids = [cell_id(rows.grids, row) for row in rows.rows] if known else [""] * len(rows.rows)
        measured = [past.seconds.get(cell) for cell in ids]
        models = [
            model_seconds(axes, terms, emulated=axes["arch"] != builds_of.host) for axes, terms in rows.kinds
        ]
        alike = [
            tuple(axes.get(axis, ABSENT) for axis in ("scenario", "launcher", "arch", INSTRUMENT))
            for axes, _ in rows.kinds
        ]
        kinds = [row[-1] for row in rows.rows]
        return cls(
            rows=rows,
            seconds=tuple(
                filled(measured, [models[kind] for kind in kinds], [alike[kind] for kind in kinds])
            ),
            builds=tuple(builds_of(axes) for axes, _ in rows.kinds),
            verdicts=tuple(past.verdicts.get(cell) for cell in ids),
            measured=tuple(item is not None for item in measured),
        )

    def within(self, limit: float, *, may_be_empty: bool) -> tuple["TimedRows", Budget]:
        """The rows that fit into `limit` seconds of one machine; raises InputError where none does."""
        every = self.rows
        cells = [
            budget.Timed(seconds=time, builds=self.builds[row[-1]], verdict=verdict)
            for row, time, verdict in zip(every.rows, self.seconds, self.verdicts, strict=True)
        ]
        cover = set(matrix.covering(candidates(every), Cover.PAIRWISE))
        chosen = budget.fitting(cells, cover, limit)
        if cells and not chosen and not may_be_empty:
            raise InputError(
                "--budget: no cell fits into this time with the images that it needs",
                hint="give more time, or choose cells whose images take less",
            )
        mine = budget.turns(cells, cover)
        told = tuple(
            Turns(
                turn=turn,
                cells=sum(number in chosen for number in numbers),
                left_out=sum(number not in chosen for number in numbers),
            )
            for turn in Turn
            if (numbers := [number for number, its in enumerate(mine) if its is turn])
        )
        return self._only(sorted(chosen)), Budget(limit=limit, turns=told)

    def _only(self, numbers: Sequence[int]) -> "TimedRows":
        return replace(
            self,
            rows=part(self.rows, numbers),
            seconds=tuple(self.seconds[number] for number in numbers),
            verdicts=tuple(self.verdicts[number] for number in numbers),
            measured=tuple(self.measured[number] for number in numbers),
        )

    def shards(self, count: int) -> list["TimedRows"]:
        """The rows of each of `count` shards."""
        return [self._only(numbers) for numbers in shards_of(self.rows, count, self._piece)]

    def _piece(self, numbers: Sequence[int]) -> Piece:
        """The rows of these numbers, all of one image."""
        kind = self.rows.rows[numbers[0]][-1]
        return Piece(seconds=sum(self.seconds[number] for number in numbers), builds=self.builds[kind])

    @property
    def _pieces(self) -> list[Piece]:
        return [self._piece(numbers) for numbers in groups(self.rows).values()]

    @property
    def total(self) -> float:
        """How long all of it takes on one machine."""
        return seconds(self._pieces) / AT_ONCE

    def estimate(self, shards: Sequence[float]) -> Estimate:
        """How long it takes, for people."""
        return Estimate(
            cells=sum(self.seconds) / AT_ONCE,
            builds=sum(builds(self._pieces).values()) / AT_ONCE,
            measured=sum(self.measured),
            shards=tuple(shards),
        )
