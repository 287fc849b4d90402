"""Removes what a demangler writes around the name of a C++ or Rust function."""

import re
from typing import Final

# What a demangler writes after a function's arguments.
_DECORATED: Final = re.compile(r"( \[clone [^\]]*\])+$|( const| volatile| &&?)+$")
OPERATOR: Final = re.compile(
    r'operator(?!\w)\s*(<=>|<<=|>>=|->\*?|<<|>>|<=|>=|<|>|\(\)|\[\]|"" ?|[-+*/%^&|~!=,]+)?'
)
"""An operator's name; no symbol is found of a conversion and of `operator new`."""
QUALIFIERS: Final = re.compile(r"( const| volatile| &&?| noexcept)*")
"""What may stand behind a member function's arguments."""
_COMPARED: Final = re.compile(r"[<>]=|(<{1,2}|>{1,2})(?=\()")
"""A comparison or shift, as GNU's demangler writes it in a template argument: `(a)<=(b)`."""
MAX_DEPTH: Final = 32
"""Names within names that are read; real ones have three."""
_PAIRS: Final = {"(": ")", "<": ">", "[": "]", "{": "}"}


def without_arguments(function: str) -> str:
    """A name without the parentheses at its end and what follows them; `operator()` keeps its own."""
    plain = _DECORATED.sub("", function)
    start = _opening(plain) if plain.endswith(")") else None
    if not start or plain[:start].endswith("operator"):
        return plain
    return _DECORATED.sub("", plain[:start])


def without_result(function: str) -> str:
    """A name without the words before it: a template's result, or `non-virtual thunk to`.

    The arguments must have been removed. The blank in `operator bool` is part of the name, as is that of
    `f() const::{lambda}`.
    """
    start = place = 0
    while place < len(function):
        if begins_operator(function, place) and (operator := OPERATOR.match(function, place)):
            if not operator[1]:
                break
            place = operator.end() + function.startswith(" <", operator.end())
        elif function[place] in _PAIRS:
            end = group_end(function, place)
            if end is None:
                break
            place = end
            behind = QUALIFIERS.match(function, place)
            if behind and function.startswith("::", behind.end()):
                place = behind.end()
        else:
            start = place + 1 if function[place] == " " else start
            place += 1
    return function[start:]


def without_templates(function: str, depth: int = 0) -> str:
    """A name without template arguments: of C++ `f<int>`, of Rust `f<T>` and `f::<T>`.

    Brackets at the start of a Rust path are part of the name: `<Vec<T> as Drop>::drop` becomes
    `<Vec as Drop>::drop`. A name with unmatched brackets is returned as it is, and one that is part of
    MAX_DEPTH others (`depth`).
    """
    if depth == MAX_DEPTH:
        return function
    kept = ""
    place = 0
    while place < len(function):
        operator = OPERATOR.match(function, place) if begins_operator(function, place) else None
        end = place + 1
        if operator:
            kept, end = kept + operator[0], operator.end()
        elif function[place] == "<":
            closed = group_end(function, place)
            if closed is None:
                return function
            end = closed
            follows = bool(kept) and (
                kept[-1].isalnum() or kept[-1] in '_:}>)"]' or kept.endswith("operator")
            )
            if follows:
                kept = kept.removesuffix("::")
            else:
                kept += f"<{without_templates(function[place + 1 : end - 1], depth + 1)}>"
        elif function[place] == ">" and function[place - 1 : place] != "-":
            return function
        else:
            kept += function[place]
        place = end
    return kept.rstrip()


def group_end(text: str, start: int) -> int | None:
    """The place behind the bracket that closes the one at `start`; None where brackets do not match.

    `<` and `>` may also be operators: of a function's name, and in a template argument.
    """
    awaited: list[str] = []
    place = start
    while place < len(text):
        letter = text[place]
        operator = OPERATOR.match(text, place) if begins_operator(text, place) else None
        compared = _compared(text, place, awaited) if letter in "<>" else None
        if operator:
            place = operator.end()
            continue
        if compared:
            place += compared
            continue
        if letter in _PAIRS:
            awaited.append(_PAIRS[letter])
        elif letter in ")>]}" and not (letter == ">" and text[place - 1] == "-"):
            if not awaited or awaited.pop() != letter:
                return None
            if not awaited:
                return place + 1
        place += 1
    return None


def _compared(text: str, place: int, awaited: list[str]) -> int | None:
    """The length of an operator at a place within brackets; None where it is a bracket."""
    found = _COMPARED.match(text, place) if awaited and text[place - 1] == ")" else None
    if not found:
        return None
    return None if text[place] == ">" and found[0][-1] != "=" and awaited[-1] == ">" else len(found[0])


def begins_operator(function: str, place: int) -> bool:
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
