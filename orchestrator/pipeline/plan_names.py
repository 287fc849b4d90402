"""The names of a plan: the run's name, and the command line that chooses its cells again."""

from __future__ import annotations

__lazy_modules__ = ("orchestrator",)

import shlex
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from orchestrator import matrix as planning
from orchestrator.matrix import Request

NAMED_CELLS: Final = 50
"""Cells that a command names one by one."""


def run_name(now: datetime, profile: str, request: Request) -> str:
    """The name of a run: when it was planned, its profile and its shard."""
    shard = "-shard{}of{}".format(*request.shard) if request.shard else ""
    return f"{now:%Y%m%d-%H%M%S}-{profile}{shard}"


def selection_words(request: Request, profile: str) -> str:
    """The flags that choose the cells of all shards, by which comparable runs are recognised."""
    if request.cells is not None and len(request.cells) > 1:
        return f"({len(request.cells)} named cells)"
    return shlex.join(_choosing(request, profile))


def chosen_words(request: Request, profile: str) -> tuple[str, ...]:
    """The words of a command line that choose the same cells again, with the same numbers."""
    many = request.cells is not None and len(request.cells) > NAMED_CELLS
    if many or request.budget:  # what a budget chooses tonight it does not choose tomorrow
        return ()
    numbers = {"--trials": request.trials, "--timeout": request.timeout}
    words = [part for flag, value in numbers.items() if value is not None for part in (flag, f"{value:g}")]
    shard = ["--shard", "{}/{}".format(*request.shard)] if request.shard else []
    return (*_choosing(request, profile), *words, *shard)


def _choosing(request: Request, profile: str) -> Iterator[str]:
    if request.build_missing:
        yield "--build-missing"
    if request.cells is not None:
        yield from (part for cell in sorted(request.cells) for part in ("--cell", cell))
        return
    yield from ("--profile", profile)
    for axis, values in request.axes.items():
        yield from planning.axis_flag(axis, values).split(" ", 1)
    if request.expression is not None:
        yield from ("-k", request.expression)
    if request.cover is not None:
        yield from ("--cover", request.cover)
    if request.budget is not None:
        yield from ("--budget", f"{request.budget:g}s")
    for flag, other in (("--only", request.only), ("--except", request.without)):
        if other is not None:
            yield from (flag, str(other.file))
