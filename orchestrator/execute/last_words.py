"""The last words of a process that failed: its exception, or its last line of output."""

import builtins
import re
from pathlib import Path
from typing import Final

TAIL: Final = 64 * 1024
"""Bytes at the end of a stream that are looked at."""
LONGEST: Final = 300
"""Characters that are kept of a line."""
_ESCAPES: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_TRACEBACK: Final = re.compile(r"(?:  \+ Exception Group |[^\s|+].*)?Traceback \(most recent call last\):")
"""A traceback's first line, which may follow unended text; those inside of a group are indented."""
_NOT_THE_END: Final = re.compile(r"Exception ignored |Exception in thread ")
"""What stands above the traceback of an exception that ends no process."""
_IN_GROUP: Final = re.compile(r"  \| (?=\S)")
_SYNTAX_ERROR: Final = re.compile(r"(?:SyntaxError|IndentationError|TabError)(?::|$)")
_BUILT_IN: Final = "|".join(
    name
    for name, value in vars(builtins).items()
    if isinstance(value, type) and issubclass(value, Exception) and not issubclass(value, Warning)
)
_BARE: Final = re.compile(rf"(?:{_BUILT_IN})(?::|$)")


def last_exception(stderr: Path) -> str | None:
    """The last line of the last traceback that is not of an exception that Python ignored; None without one.

    An exception without frames has no line "Traceback": a syntax error in the script itself, an application's
    module that uWSGI does not find.
    """
    lines = _tail(stderr)
    for number in range(len(lines) - 1, -1, -1):
        ignored = number > 0 and _NOT_THE_END.match(lines[number - 1])
        if _TRACEBACK.fullmatch(lines[number]) and not ignored:
            return _exception(lines[number + 1 :])
    bare = (line for number, line in reversed(list(enumerate(lines))) if _is_bare(lines, number))
    return _shown(next(bare, ""))


def _is_bare(lines: list[str], number: int) -> bool:
    """Whether a line is an exception that no frames stand above; above a syntax error stands its source."""
    framed = number > 0 and lines[number - 1].startswith(" ")
    return bool((_SYNTAX_ERROR if framed else _BARE).match(lines[number]))


def last_line(stderr: Path, stdout: Path) -> str | None:
    """The last line of stderr that is not empty, else of stdout, without a frame of dashes around it."""
    for stream in (stderr, stdout):
        for line in reversed(_tail(stream)):
            if text := line.strip("=-*#_ \t"):
                return _shown(text)
    return None


def _exception(lines: list[str]) -> str | None:
    """The line below a traceback's frames, which are indented; a group's stands behind a bar."""
    for line in lines:
        plain = _IN_GROUP.sub("", line)
        if plain and not plain[0].isspace():
            return _shown(plain)
    return None


def _tail(path: Path) -> list[str]:
    with path.open("rb") as stream:
        stream.seek(max(0, stream.seek(0, 2) - TAIL))
        text = stream.read().decode(errors="replace")
    return [line.rstrip() for line in _ESCAPES.sub("", text).splitlines()]


def _shown(line: str) -> str | None:
    plain = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in line.strip())
    return (plain[: LONGEST - 3] + "..." if len(plain) > LONGEST else plain) or None
