"""Expressions as functions of a cell's axes, with what the catalogue knows beside them: release, and host."""

from collections.abc import Hashable, Mapping
from functools import cache
from typing import Final, TypeVar

from orchestrator.matrix.blocks import AxisFunction
from orchestrator.matrix.expression import ARCH, CellContext, Expression
from orchestrator.model import Arch, Catalogue

PYTHON: Final = "python"
RELEASE_AXES: Final = frozenset({PYTHON, "glibc", ARCH})
"""The axes that decide an interpreter's release."""

Then = TypeVar("Then", bound=Hashable)


class CatalogueFacts:
    """What expressions compare beside axis values: a catalogue's exact releases, and the host."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._host = catalogue.host
        self._release_of = cache(catalogue.release_of)

    def when(self, expression: Expression, then: Then) -> AxisFunction[Then | None]:
        """A function of a cell: `then` where the expression matches it, else None."""
        names = expression.names | (RELEASE_AXES if PYTHON in expression.names else frozenset())
        return AxisFunction(
            names, lambda axes: then if expression.matches(self._context(axes, names)) else None
        )

    def _context(self, axes: Mapping[str, str], names: frozenset[str]) -> CellContext:
        """A cell's axes, with the release where a python axis value is compared."""
        release = self._release_of(axes[PYTHON], axes["glibc"], Arch(axes[ARCH])) if PYTHON in names else None
        return CellContext(axes=axes, releases={PYTHON: release} if release else {}, host=self._host)
