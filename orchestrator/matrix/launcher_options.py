"""Launcher options of a scenario that a launcher refuses, in the cells that they apply to."""

from collections.abc import Iterator, Sequence
from itertools import islice, product
from typing import Final

from orchestrator.adapters.yamlfile import Document
from orchestrator.errors import InputError
from orchestrator.launchers import LAUNCHERS
from orchestrator.matrix.axes import Axes
from orchestrator.matrix.expression import CellContext, Expression
from orchestrator.matrix.rules import LauncherOptions
from orchestrator.matrix.scenario_file import ScenarioFile
from orchestrator.model import Arch

LAUNCHER: Final = "launcher"
MOST: Final = 4096
"""Combinations of axis values that are tried for a cell of the launcher."""


def refused_options(
    document: Document[ScenarioFile], options: Sequence[LauncherOptions], axes: Axes, kind: str
) -> Iterator[InputError]:
    """An error for each option that a launcher refuses for a target of this kind.

    `options` are the file's entries in their order, and `axes` those of the matrix and of the scenario.
    """
    for index, entry in enumerate(options):
        for launcher in _launchers_of(entry.when, axes):
            for place, option in enumerate(entry.options):
                why = LAUNCHERS[launcher].refuse(option, kind) if launcher in LAUNCHERS else None
                if why:
                    where = document.where("launcher_options", index, "options", place)
                    yield InputError(why, where=where, hint="leave the option out")


def _launchers_of(when: Expression, axes: Axes) -> list[str]:
    """The launchers with cells that may match; at most `MOST` combinations of values are tried for each."""
    names = sorted(name for name in when.names if name != LAUNCHER)

    def may_match(launcher: str) -> bool:
        first = {name: values[0] for name, values in axes.items() if values} | {LAUNCHER: launcher}
        tried = islice(product(*(axes[name] for name in names)), MOST)
        cells = (first | dict(zip(names, values, strict=True)) for values in tried)
        return any(when.matches(CellContext(axes=cell, host=Arch.X86_64)) for cell in cells)

    return [launcher for launcher in axes[LAUNCHER] if may_match(launcher)]
