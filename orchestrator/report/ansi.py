"""Program output in colour: terminal escapes become classes of the stylesheet, everything else is text."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from markupsafe import Markup, escape

from orchestrator.adapters.visible import visible

_SGR: Final = re.compile(r"\x1b\[([\d;:]{0,64})m")
_ATTRIBUTES: Final = {1: "bold", 2: "dim", 3: "italic", 4: "underline", 9: "strike"}
_ENDED_BY: Final = {22: ("bold", "dim"), 23: ("italic",), 24: ("underline",), 29: ("strike",)}
_SIXTEEN: Final = tuple(
    (int(red, 16), int(green, 16), int(blue, 16))
    for red, green, blue in (
        *(("00", "00", "00"), ("cd", "00", "00"), ("00", "cd", "00"), ("cd", "cd", "00")),
        *(("00", "00", "ee"), ("cd", "00", "cd"), ("00", "cd", "cd"), ("e5", "e5", "e5")),
        *(("7f", "7f", "7f"), ("ff", "00", "00"), ("00", "ff", "00"), ("ff", "ff", "00")),
        *(("5c", "5c", "ff"), ("ff", "00", "ff"), ("00", "ff", "ff"), ("ff", "ff", "ff")),
    )
)
"""xterm's sixteen colours. The stylesheet draws each in a tone with enough contrast."""


@dataclass(frozen=True, kw_only=True)
class Style:
    """The style of text: colours by number (0 to 15), attributes by name."""

    ink: int | None = None
    paper: int | None = None
    attributes: frozenset[str] = frozenset()
    inverse: bool = False

    @property
    def classes(self) -> str:
        """The classes of the stylesheet; empty for plain text."""
        ink, paper = (self.paper, self.ink) if self.inverse else (self.ink, self.paper)
        names = [f"t-{name}" for name in sorted(self.attributes)]
        if ink is not None:
            names.append(f"t-i{ink}")
        if paper is not None:
            names.append(f"t-p{paper}")
        elif self.inverse:
            names.append("t-inverse")
        return " ".join(names)

    def after(self, codes: Iterable[int]) -> "Style":
        """The style after the codes of one escape (ECMA-48, SGR); unknown codes are ignored."""
        style, rest = self, iter(codes)
        for code in rest:
            if code == 0:
                style = Style()
            elif code in {38, 48}:
                colour = _extended(rest)
                style = replace(style, ink=colour) if code == 38 else replace(style, paper=colour)
            else:
                style = style.with_code(code)
        return style

    def with_code(self, code: int) -> "Style":
        """The style after one code that takes no parameters."""
        if code in _ATTRIBUTES:
            return replace(self, attributes=self.attributes | {_ATTRIBUTES[code]})
        if code in _ENDED_BY:
            return replace(self, attributes=self.attributes - set(_ENDED_BY[code]))
        if code in {7, 27}:
            return replace(self, inverse=code == 7)
        colour = code % 10 + (8 if code >= 90 else 0)
        if 30 <= code <= 39 or 90 <= code <= 97:
            return replace(self, ink=None if code == 39 else colour)
        if 40 <= code <= 49 or 100 <= code <= 107:
            return replace(self, paper=None if code == 49 else colour)
        return self


def coloured(raw: str) -> Markup:
    """Raw output as harmless HTML: colours and attributes as spans, every other escape left out."""
    return Markup("").join(_spans(raw)) if "\x1b" in raw else escape(visible(raw))


def _spans(raw: str) -> Iterator[Markup]:
    style = Style()
    parts = _SGR.split(raw)
    for number, part in enumerate(parts):
        if number % 2:
            style = style.after(_codes(part))
            continue
        text = escape(visible(part))
        if text:
            classes = style.classes
            # The classes are made of the words above, never of the output's.
            yield Markup('<span class="{}">{}</span>').format(classes, text) if classes else text


def _codes(part: str) -> Iterator[int]:
    for word in re.split("[;:]", part):
        yield min(int(word or "0"), 999) if len(word) < 5 else 999


def _extended(codes: Iterator[int]) -> int | None:
    """The nearest of the sixteen colours to one of 256 (5;n) or of all (2;r;g;b)."""
    kind = next(codes, None)
    if kind == 5:
        number = min(next(codes, -1), 255)
        if number < 16:
            return number if number >= 0 else None
        return _nearest(*_of_256(number))
    if kind == 2:
        red, green, blue = (min(next(codes, 0), 255) for _ in range(3))
        return _nearest(red, green, blue)
    return None


def _of_256(number: int) -> tuple[int, int, int]:
    """The red, green and blue of xterm's colour cube (16 to 231) or of its greys (232 to 255)."""
    if number >= 232:
        grey = 8 + 10 * (number - 232)
        return grey, grey, grey
    steps = (0, 95, 135, 175, 215, 255)
    cube = number - 16
    return steps[cube // 36], steps[cube // 6 % 6], steps[cube % 6]


def _nearest(red: int, green: int, blue: int) -> int:
    distances = [(red - r) ** 2 + (green - g) ** 2 + (blue - b) ** 2 for r, g, b in _SIXTEEN]
    return distances.index(min(distances))
