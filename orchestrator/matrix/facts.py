"""Expressions as functions of a cell's axes, with facts of the catalogue: release and host."""

from collections.abc import Hashable, Mapping, Sequence
from functools import cache
from typing import Final, TypeVar

from packaging.version import Version

from orchestrator.launchers import LAUNCHERS
from orchestrator.matrix.blocks import AxisFunction
from orchestrator.matrix.expression import ARCH, CellContext, Expression
from orchestrator.model import Arch, Base, Catalogue, CopiedPython, InterpreterKind

PYTHON: Final = "python"
RELEASE_AXES: Final = frozenset({PYTHON, "glibc", ARCH})
"""The axes that decide an interpreter's release."""

Then = TypeVar("Then", bound=Hashable)


class CatalogueFacts:
    """Facts that expressions compare beside axis values: the catalogue's exact releases, and the host."""

    def __init__(self, catalogue: Catalogue, glibcs: Sequence[str] = ()) -> None:
        """`glibcs` are the values of the glibc axis."""
        self._catalogue = catalogue
        self._glibcs = sorted(glibcs, key=Version, reverse=True)
        self._ready_of = cache(self._ready)
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
        return CellContext(
            axes=axes, releases={PYTHON: release} if release else {}, host=self._host, is_ready=self._is_ready
        )

    def _is_ready(self, axes: Mapping[str, str]) -> bool:
        return self._ready_of(axes[PYTHON], axes["glibc"], Arch(axes[ARCH]), axes["launcher"])

    def _ready(self, python: str, glibc: str, arch: Arch, launcher: str) -> bool:
        """Whether a cell needs no compiled CPython, and no server that is compiled for an unpacked one.

        Of one that is unpacked the newest base counts alone.
        """
        base, python_of = self._catalogue.base_for(glibc, arch), self._catalogue.interpreter_for
        found = python_of(base, python, arch) if base else None
        if base is None or found is None or self._lacks(base, arch):
            return False
        if not isinstance(found, CopiedPython):
            return True
        if launcher in LAUNCHERS and LAUNCHERS[launcher].recipe:
            return False
        others = (self._catalogue.base_for(other, arch) for other in self._glibcs)
        bases = (other for other in others if other and not self._lacks(other, arch))
        newest = next((other for other in bases if python_of(other, python, arch) == found), base)
        return found.kind is InterpreterKind.ARCHIVE and newest == base

    def _lacks(self, base: Base, arch: Arch) -> bool:
        """Whether a base cannot be had without a compiler here, or not at all."""
        made = base.sysroot is not None and base.pulled is None
        return made or self._catalogue.lacks_source(base, arch) is not None
