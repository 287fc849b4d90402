"""Search the frames of a crash for named functions, in order: as verdicts and pages do it alike."""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Final

from orchestrator.binary.cpp_names import without_arguments
from orchestrator.model.crash import NativeFrame

_CLONE: Final = re.compile(r"(\.(?:isra|constprop|part|cold|lto_priv)(?:\.\d+)?)+$")
"""Suffixes that gcc adds to clones of a function; to its author a clone is the same function."""
_INTERPRETER: Final = re.compile(r"(lib)?python\d?(\.\d+)?[dmtu]*(-dbg)?(\.so[\d.]*)?")
_INTERNAL: Final = re.compile(r"^__GI_(?=\w)")
"""glibc's internal alias of a public function (include/libc-symbols.h): __GI_exit is exit."""


def is_interpreter_file(module: str | None) -> bool:
    """Whether a module is CPython itself: its program, or libpython."""
    return bool(module and _INTERPRETER.fullmatch(PurePosixPath(module).name))


def plain_name(function: str) -> str:
    """The function's name as its author writes it: no arguments, clone suffix or `__GI_` prefix."""
    return _INTERNAL.sub("", _CLONE.sub("", without_arguments(function)))


def _last_part(function: str) -> str:
    """The part behind the last `::` outside of template and argument brackets."""
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
    """The wanted functions that are not found in this order, from the innermost frame outwards."""
    return missing_functions([frame.function for frame in frames], wanted)


def missing_functions(functions: Sequence[str | None], wanted: Sequence[str]) -> tuple[str, ...]:
    """As `missing_frames`, given the function of each frame; None for a frame without a symbol."""
    places = found_places(functions, wanted)
    return tuple(name for name, place in zip(wanted, places, strict=True) if place is None)


def found_places(functions: Sequence[str | None], wanted: Sequence[str]) -> tuple[int | None, ...]:
    """The place of each wanted function, the first outside of the one found before it; None: not there."""
    places: list[int | None] = []
    start = 0
    for name in wanted:
        place = next((at for at in range(start, len(functions)) if _is_named(functions[at], name)), None)
        places.append(place)
        start = start if place is None else place + 1
    return tuple(places)


def inexact_frames(frames: Sequence[NativeFrame], wanted: Sequence[str]) -> tuple[str, ...]:
    """The wanted functions that only a nearest symbol matches, which may mislead."""
    return tuple(name for name in wanted if not any(frame.exact for frame in frames if matches(frame, name)))
