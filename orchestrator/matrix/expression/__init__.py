"""The one expression language: selection (-k), exclusions, profiles and expectations.

    glibc < "2.41" and launcher == "uwsgi"
    probe in ("cpp", "rust") and not (python >= "3.13" or arch == "arm64")

A cell without an axis (one of another scenario) has the value `none` there, which compares with no version.
Two words are conditions by themselves: `emulated` is true if the architecture is not that of the host that
plans, `ready` if no CPython has to be compiled (an unpacked one counts on the newest glibc only).

`parser` reads a text and words its errors, `tree` holds parsed expressions and evaluates them for a cell, and
`versions` maps a text to a value or version.
"""

from orchestrator.matrix.expression.parser import (
    ARCH_ALIASES,
    EXAMPLE,
    MAX_LENGTH,
    Aliases,
    Vocabulary,
    parse,
)
from orchestrator.matrix.expression.tree import ARCH, WORDS, CellContext, Constant, Expression, OneOf
from orchestrator.matrix.expression.versions import known_value

__all__ = [
    "ARCH",
    "ARCH_ALIASES",
    "EXAMPLE",
    "MAX_LENGTH",
    "WORDS",
    "Aliases",
    "CellContext",
    "Constant",
    "Expression",
    "OneOf",
    "Vocabulary",
    "known_value",
    "parse",
]
