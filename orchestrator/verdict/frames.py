"""Whether named functions are among the frames of a crash, in their order."""

import re
from collections.abc import Sequence
from typing import Final

from orchestrator.binary.cpp_arguments import without_arguments
from orchestrator.model import NativeFrame

_CLONE: Final = re.compile(r"(\.(?:isra|constprop|part|cold|lto_priv)(?:\.\d+)?)+$")
"""Suffixes that gcc gives to a function's clones: the same function to its author."""
_INTERNAL: Final = re.compile(r"^__GI_(?=\w)")
"""glibc's internal alias of a public function (include/libc-symbols.h): __GI_exit is exit."""


def plain_name(function: str) -> str:
    """A function's name as its author writes it: without arguments, clone suffixes and glibc's `__GI_`."""
    return _INTERNAL.sub("", _CLONE.sub("", without_arguments(function)))


def _last_part(function: str) -> str:
    """What stands behind the last `::` that is in no brackets: of templates, of arguments."""
    depth = 0
    for place in range(len(function) - 1, 0, -1):
        depth += (function[place] in ")>") - (function[place] in "(<")
        if depth <= 0 and function.startswith("::", place - 1):
            return function[place + 1 :]
    return function


def matches(frame: NativeFrame, name: str) -> bool:
    """Whether a frame is in the named function: by full name, or by the part behind the last `::`."""
    return _is_named(frame.function, name)


def _is_named(function: str | None, name: str) -> bool:
    if function is None:
        return False
    plain = plain_name(function)
    return name in (plain, _last_part(plain))


def missing_frames(frames: Sequence[NativeFrame], wanted: Sequence[str]) -> tuple[str, ...]:
    """Those of the wanted functions that do not follow in this order, from the innermost frame out."""
    return missing_functions([frame.function for frame in frames], wanted)


def missing_functions(functions: Sequence[str | None], wanted: Sequence[str]) -> tuple[str, ...]:
    """The same of a stack's functions alone; None is a frame without a symbol."""
    left = list(wanted)
    for function in functions:
        if left and _is_named(function, left[0]):
            left.pop(0)
    return tuple(left)


def inexact_frames(frames: Sequence[NativeFrame], wanted: Sequence[str]) -> tuple[str, ...]:
    """Wanted functions that were found only by a nearest symbol, which may mislead."""
    return tuple(name for name in wanted if not any(frame.exact for frame in frames if matches(frame, name)))
