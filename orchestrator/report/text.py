"""Untrusted text and numbers in words: on one line, cut in the middle."""

import codecs
import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from io import BufferedReader, FileIO
from typing import Final

from orchestrator.adapters.visible import visible

LIMIT: Final = 64 * 1024
"""Bytes of one stream that a report shows: half from its beginning, half from its end."""

LONGEST_KEPT: Final = 200
"""Characters of a text whose one line is kept: thousands of cells have the same few reasons."""
MINUTE: Final = 60


@dataclass(frozen=True, kw_only=True)
class Excerpt:
    """An excerpt of a stream. `left_out`: bytes between `head` and `tail`; if 0, `head` is everything."""

    head: str
    tail: str
    left_out: int
    size: int


def one_line(text: str, limit: int = 400) -> str:
    """Visible text on one line, cut with an ellipsis after `limit` characters."""
    return _kept_line(text, limit) if len(text) <= LONGEST_KEPT else _line(text, limit)


@functools.lru_cache(maxsize=1024)
def _kept_line(text: str, limit: int) -> str:
    return _line(text, limit)


def _line(text: str, limit: int) -> str:
    line = " ".join(visible(text[: 4 * limit]).split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def log_line(text: str, limit: int = 200) -> str:
    """A line of a log with its indentation, cut with an ellipsis after `limit` characters."""
    line = visible(text[: 4 * limit]).expandtabs().replace("\n", " ").rstrip()
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def size_words(size: int) -> str:
    """A number of bytes in words, for example 49.9 MiB."""
    if size < 1 << 10:
        return "1 byte" if size == 1 else f"{size} bytes"
    return f"{size / (1 << 10):.1f} KiB" if size < 1 << 20 else f"{size / (1 << 20):.1f} MiB"


def duration_words(seconds: float) -> str:
    """A duration in words, for example 850 ms, 1.2 s or 3 min 20 s."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if round(seconds, 1) < MINUTE:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), MINUTE)
    return f"{minutes} min {rest} s"


def time_words(stamp: str) -> str:
    """An ISO 8601 time to the second, for example 2026-11-20 06:00:01 UTC; other text stays as it is."""
    try:
        time = datetime.fromisoformat(stamp)
    except ValueError:
        return stamp
    return f"{time.isoformat(' ', 'seconds')[:19]} {time.tzname() or ''}".rstrip()


def read_excerpt(
    stream: FileIO | BufferedReader, limit: int = LIMIT, clean: Callable[[str], str] = visible
) -> Excerpt:
    """The beginning and the end of a file of any size; bytes that are not UTF-8 are shown by value.

    `clean` makes the text harmless. Pass another function only if the caller makes it harmless later.
    """
    half = limit // 2
    size = os.fstat(stream.fileno()).st_size
    head = stream.read(limit if size <= limit else half) or b""
    if size <= limit:
        return Excerpt(head=clean(_decode(head)), tail="", left_out=0, size=size)
    stream.seek(size - half)
    tail = stream.read(half) or b""
    return Excerpt(
        head=clean(_decode(head, cut=True)),
        tail=clean(_decode(_from_character(tail))),
        left_out=size - 2 * half,
        size=size,
    )


def excerpt_text(excerpt: Excerpt, whole: str) -> str:
    """An excerpt as one text, with a note on how much is missing and where the whole is."""
    if not excerpt.left_out:
        return excerpt.head
    note = f"[{size_words(excerpt.left_out)} left out here; the whole is in {whole}]"
    return f"{excerpt.head}\n\n{note}\n\n{excerpt.tail}"


def _decode(data: bytes, *, cut: bool = False) -> str:
    """The text of bytes; with `cut`, a last character that is not complete is left out."""
    return codecs.utf_8_decode(data, "backslashreplace", not cut)[0]


def _from_character(data: bytes) -> bytes:
    """Data from its first whole character on: at most three bytes belong to one that was cut."""
    start = next((index for index, byte in enumerate(data[:3]) if byte & 0xC0 != 0x80), 3)
    return data[start:]
