"""Removes what a demangler writes around the name of a C++ or Rust function."""

import re
from typing import Final

# What a demangler writes after a function's arguments.
_DECORATED: Final = re.compile(r"( \[clone [^\]]*\])+$|( const| volatile| &&?)+$")
_OPERATOR: Final = re.compile(r'operator(?!\w)\s*(<=>|<<=|>>=|->\*?|<<|>>|<=|>=|<|>|\(\)|\[\]|"" ?)?')
_OPEN, _CLOSE = "(<[{", ")>]}"


def without_arguments(function: str) -> str:
    """A name without the parentheses at its end and what follows them; `operator()` keeps its own."""
    plain = _DECORATED.sub("", function)
    start = _opening(plain) if plain.endswith(")") else None
    if not start or plain[:start].endswith("operator"):
        return plain
    return _DECORATED.sub("", plain[:start])


def without_result(function: str) -> str:
    """A name without the words before it: a template's result, or `non-virtual thunk to`.

    The arguments must have been removed. The blank in `operator bool` is part of the name.
    """
    depth = start = place = 0
    while place < len(function):
        operator = _OPERATOR.match(function, place) if _begins(function, place) else None
        if operator and not depth:
            break
        if operator:
            place = operator.end()
            continue
        letter = function[place]
        depth += (letter in _OPEN) - (letter in _CLOSE and function[place - 1 : place + 1] != "->")
        place += 1
        if letter == " " and not depth:
            start = place
    return function[start:]


def without_templates(function: str) -> str:
    """A name without template arguments: of C++ `f<int>`, of Rust `f<T>` and `f::<T>`.

    Brackets at the start of a Rust path are part of the name: `<Vec<T> as Drop>::drop` becomes
    `<Vec as Drop>::drop`. A name with unmatched brackets is returned as it is.
    """
    kept: list[str] = []
    brackets: list[bool] = []  # For each open bracket, whether its content is kept.
    place = 0
    while place < len(function):
        operator = _OPERATOR.match(function, place) if _begins(function, place) else None
        text = operator[0] if operator else function[place]
        if text == "<":
            # A blank follows an operator that has template arguments: `operator<< <int>`.
            follows = "".join(kept[-2:]).startswith("operator") or (
                bool(kept) and (kept[-1][-1].isalnum() or kept[-1][-1] in '_:}>)"]')
            )
            brackets.append(all(brackets) and not follows)
            if not brackets[-1] and all(brackets[:-1]) and kept[-2:] == [":", ":"]:
                del kept[-2:]
        if all(brackets):
            kept.append(text)
        if text == ">" and function[place - 1] != "-":
            if not brackets:
                return function
            brackets.pop()
        place += len(text)
    return function if brackets else "".join(kept).rstrip()


def _begins(function: str, place: int) -> bool:
    """Whether a word `operator` begins at a place."""
    before = function[place - 1 : place]
    return function.startswith("operator", place) and not (before.isalnum() or before == "_")


def _opening(text: str) -> int | None:
    """The index of the parenthesis that the last character closes."""
    depth = 0
    for place in range(len(text) - 1, -1, -1):
        depth += (text[place] == ")") - (text[place] == "(")
        if not depth:
            return place
    return None
