"""Expressions as questions of cells, with the exact release of python that a cell has."""

from collections.abc import Hashable, Mapping
from functools import cache
from typing import Final, TypeVar

from orchestrator.model import Arch, Catalogue
from orchestrator.plan.blocks import Question
from orchestrator.plan.expression import Expression, exact_name

PYTHON: Final = "python"
DECIDING: Final = frozenset({PYTHON, "glibc", "arch"})
"""The axes that decide an interpreter's release."""

Then = TypeVar("Then", bound=Hashable)


class Releases:
    """What a catalogue knows of the exact releases, which expressions compare."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._of = cache(catalogue.release_of)

    def asked(self, expression: Expression, then: Then) -> Question[Then | None]:
        """An expression as a question, whose answer is `then` where it holds, else None."""
        if PYTHON not in expression.names:
            return Question(expression.names, lambda axes: then if expression.holds(axes) else None)
        return Question(
            expression.names | DECIDING, lambda axes: then if expression.holds(self._beside(axes)) else None
        )

    def _beside(self, axes: Mapping[str, str]) -> Mapping[str, str]:
        """The axes of a cell, with its interpreter's release where the catalogue has one."""
        release = self._of(axes[PYTHON], axes["glibc"], Arch(axes["arch"]))
        return {**axes, exact_name(PYTHON): release} if release else axes
