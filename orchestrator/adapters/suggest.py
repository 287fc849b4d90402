"""Suggestions for a word that is not known: the nearest known one, or all of them in their order."""

__lazy_modules__ = ("difflib",)

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Final

from packaging.version import Version

_VERSION: Final = re.compile(r"\d{1,4}(\.\d{1,4}){1,3}t?")
"""A version as the python axis has it, with the t of a free-threaded build."""


def nearest(word: str, known: Iterable[str], aliases: Mapping[str, str] | None = None) -> str:
    """An error's hint: the nearest known name, or all known names if none is near.

    `aliases` are other names of known ones, such as amd64 of x86_64. Of versions the nearest is that of the
    nearest numbers; "3.1" is "3.10" that YAML read as a number.
    """
    names = sorted(set(known), key=natural)
    if aliases and aliases.get(word.lower()) in names:
        return f"did you mean {aliases[word.lower()]!r}?"
    if _VERSION.fullmatch(word) and names and all(map(_VERSION.fullmatch, names)):
        return f"did you mean {min(names, key=lambda name: _distance(word, name))!r}?"
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    every = ", ".join(name if name.isprintable() else repr(name) for name in names)
    return f"did you mean {close[0]!r}?" if close else f"known: {every or 'none'}"


def natural(name: str) -> list[tuple[int, str]]:
    """A key that sorts numbers in names by value: 3.9 before 3.10."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", name) if part]


def _distance(word: str, name: str) -> tuple[bool, list[int], bool]:
    one, other = (Version(text.removesuffix("t")).release for text in (word, name))
    length = max(len(one), len(other))
    pairs = zip(one + (0,) * (length - len(one)), other + (0,) * (length - len(other)), strict=True)
    distances = [abs(mine - theirs) for mine, theirs in pairs]
    return name.rstrip("0") != word, distances, word.endswith("t") != name.endswith("t")
