"""Names that Cython gives to the C functions that it generates.

Each part of a path has its length before it. A function that Python calls (`def`, a generator's body) is two
C functions, one for its arguments (`__pyx_pw_`) and one for its body (`__pyx_pf_`), with a number before its
name. The compiler may inline one into the other, and the number changes as functions are added
(Cython/Compiler/Naming.py and Symtab.py).
"""

import re
from typing import Final

_FUNCTION: Final = re.compile(r"__pyx_(f|pf|pw|gb)_(?=\d)")
_PART: Final = re.compile(r"(\d+)(?=[A-Za-z_])")
_NUMBERED: Final = re.compile(r"\d+(?=[A-Za-z_])")
MAX_PARTS: Final = 32
"""Packages, modules, classes and functions that a function may lie in."""


def cython_path(name: str) -> str | None:
    """The path of a function of Cython, `package.module.Class.function`; None of any other function."""
    begin = _FUNCTION.match(name)
    if not begin:
        return None
    scopes: list[str] = []
    rests = [name[begin.end() :]]
    while len(scopes) < MAX_PARTS and (part := _PART.match(rests[-1])):
        end = part.end() + int(part[1])
        if rests[-1][end : end + 1] != "_":
            break
        scopes.append(rests[-1][part.end() : end])
        rests.append(rests[-1][end + 1 :])
    plain = begin[1] == "f" or (
        begin[1] == "pf" and not rests[-1][:1].isdigit()
    )  # The number 0 is not written.
    return _joined(scopes, rests[-1]) if plain else _without_number(scopes, rests)


def _without_number(scopes: list[str], rests: list[str]) -> str | None:
    """The path whose last part has a number; `1k_means` begins as a part of one letter does, and is none."""
    found = ((count, rest) for count, rest in reversed([*enumerate(rests)]) if _NUMBERED.match(rest))
    return next((_joined(scopes[:count], _NUMBERED.sub("", rest, 1)) for count, rest in found), None)


def _joined(scopes: list[str], function: str) -> str | None:
    return ".".join([*scopes, function]) if scopes and function else None
