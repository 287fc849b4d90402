"""Removes the arguments that a demangler writes after a C++ function's name."""

import re
from typing import Final

# What a demangler writes after a function's arguments.
_DECORATED: Final = re.compile(r"( \[clone [^\]]*\])+$|( const| volatile| &&?)+$")


def without_arguments(function: str) -> str:
    """A name without the parentheses at its end and what follows them; `operator()` keeps its own."""
    plain = _DECORATED.sub("", function)
    start = _opening(plain) if plain.endswith(")") else None
    if not start or plain[:start].endswith("operator"):
        return plain
    return _DECORATED.sub("", plain[:start])


def _opening(text: str) -> int | None:
    """The index of the parenthesis that the last character closes."""
    depth = 0
    for place in range(len(text) - 1, -1, -1):
        depth += (text[place] == ")") - (text[place] == "(")
        if not depth:
            return place
    return None
