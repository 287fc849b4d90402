"""Untrusted text as GitHub-flavoured markdown: it reads well raw and rendered, and nothing in it is markup.

Plain words stay as they are. A word with a character that could begin markup, a link, a mention or an emoji
becomes a code span, in which markdown has no escapes and no entities, so both forms show the same text.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final

from orchestrator.report.text import one_line

_LETTER: Final = r"A-Za-z0-9\x80-\U0010ffff"
_WORD: Final = re.compile(
    rf"""[("']*[{_LETTER}](?:[{_LETTER}.,;:'"/%+()=!?-]|(?<=[{_LETTER}])_(?=[{_LETTER}]))*|%"""
)
"""A word without markup; underscores may only be inside of it, where they do not emphasize."""
_OPERATOR: Final = re.compile(r"[<>=!]=?|/")
"""What is a word of its own within a line: `<` begins no tag before a space, `>` no quotation."""
_LINK: Final = re.compile(r"://|www\.|:[\w+-]+:", re.IGNORECASE)
"""Plain text that GitHub turns into a link or an emoji."""
_NUMBERED: Final = re.compile(r"\d+[.)]")
"""What begins a list at the start of a line."""
_BESIDE_CODE: Final = re.compile(r"^([.,;]?(?: |$)|)(.*?)( ?)$")
"""The part of a sentence between two code spans: punctuation, text, and the space before the next span."""
_STOP: Final = re.compile(r"^[^:].*[A-Za-z)\]>\"'](?P<stop>[.,;:])$")
"""A word with the punctuation of its sentence behind it, which stays outside of the word's code span."""


def escape_markdown(text: str, limit: int = 400) -> str:
    """One line of text in which nothing is markup; cut as `one_line` does."""
    return _escaped(one_line(text, limit))


def prose_markdown(text: str, limit: int = 400) -> str:
    """As `escape_markdown`, of a sentence of this program: its commands, in backticks, are code spans."""
    line = one_line(text, limit)
    parts = line.split("`")
    if len(parts) % 2 == 0:  # a cut sentence, or a name with a backtick
        return _escaped(line)
    return "".join(
        _code(part) if number % 2 and part else _escaped_beside_code(part)
        for number, part in enumerate(parts)
    )


def _escaped_beside_code(text: str) -> str:
    before, said, behind = _BESIDE_CODE.findall(text)[0]
    return f"{before}{_escaped(said)}{behind}"


def _escaped(line: str) -> str:
    words = line.split(" ")
    parts = groupby(enumerate(words), key=lambda item: _is_plain(item[1], first=item[0] == 0))
    spans = [(plain, " ".join(word for _, word in group)) for plain, group in parts]
    return " ".join(span if plain else _code_and_stop(span) for plain, span in spans) if line else ""


def code_markdown(text: str, limit: int = 400) -> str:
    """One line of text in fixed width."""
    line = one_line(text, limit)
    return _code(line) if line else ""


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The lines of a table, and an empty one behind it. Fields are markdown; `|` is escaped here."""
    yield f"| {' | '.join(heads)} |"
    yield f"|{' --- |' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(map(_field, row))} |"
    yield ""


def _is_plain(word: str, *, first: bool) -> bool:
    if first and _NUMBERED.fullmatch(word):
        return False
    if not first and _OPERATOR.fullmatch(word):
        return True
    return _WORD.fullmatch(word) is not None and not _LINK.search(word)


def _code_and_stop(text: str) -> str:
    stopped = _STOP.match(text)
    return f"{_code(text[:-1])}{stopped['stop']}" if stopped else _code(text)


def _code(text: str) -> str:
    """A code span: its fence is longer than any run of backticks in it."""
    runs = [len(run) for run in re.findall("`+", text)]
    fence = "`" * next(length for length in range(1, len(text) + 2) if length not in runs)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def _field(text: str) -> str:
    r"""A field of a table. A backslash before `|` would escape or not escape it, depending on the reader."""
    return re.sub(r"\\(?=\|)", r"\\ ", text).replace("|", r"\|")
