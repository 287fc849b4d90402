"""Expressions as questions of cells, with what is known of a cell beside its axes: release, and host."""

from collections.abc import Hashable, Mapping
from functools import cache
from typing import Final, TypeVar

from orchestrator.matrix.blocks import Question
from orchestrator.matrix.expression import ARCH, HOST, Expression, exact_name
from orchestrator.model import Arch, Catalogue

PYTHON: Final = "python"
DECIDING: Final = frozenset({PYTHON, "glibc", ARCH})
"""The axes that decide an interpreter's release."""

Then = TypeVar("Then", bound=Hashable)


class CellFacts:
    """What a catalogue knows: the exact releases, which expressions compare, and the host's architecture."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._host = catalogue.host.value
        self._release = cache(catalogue.release_of)

    def asked(self, expression: Expression, then: Then) -> Question[Then | None]:
        """An expression as a question, whose answer is `then` where it holds, else None."""
        names = expression.names | (DECIDING if PYTHON in expression.names else frozenset())
        return Question(names, lambda axes: then if expression.matches(self._beside(axes, names)) else None)

    def _beside(self, axes: Mapping[str, str], names: frozenset[str]) -> Mapping[str, str]:
        """The axes of a cell with what is known beside those that are named."""
        beside = {**axes, HOST: self._host}
        if PYTHON in names and (release := self._release(axes[PYTHON], axes["glibc"], Arch(axes[ARCH]))):
            beside[exact_name(PYTHON)] = release
        return beside
