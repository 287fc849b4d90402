"""Escapes untrusted text: program output, file names, symbols, reasons.

Whatever a terminal or a browser would act on (escape sequences, control characters, invisible
bidirectional marks) is removed or replaced by a visible character. The result is also legal in XML.
"""

import re
from typing import Final

_ANSI: Final = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]"  # CSI: colours and cursor movements
    r"|[\]PX^_][^\x07\x1b]{0,4096}(?:\x07|\x1b\\)"  # OSC, DCS and other strings: titles, links
    r"|[ -/]*[0-Z\\^-~])"  # two-character sequences
)
_INVISIBLE: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls, but for tab and newline
    "\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"
    "\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"  # surrogates and what XML or Unicode calls no character
    "]"
)


def visible(text: str) -> str:
    """Text without escape sequences, control characters or bidirectional marks."""
    # Most text is ASCII, and this takes a tenth of the time.
    if text.isascii() and (text.isprintable() or text.replace("\n", "").replace("\t", "").isprintable()):
        return text
    text = text.replace("\r\n", "\n")
    if "\x1b" in text:
        text = _ANSI.sub("", text)
    return _INVISIBLE.sub(_stand_in, text)


def on_one_line(text: str) -> str:
    """Text in which no line ends: what a program or a project says begins no line of a log.

    There it could look like one of ours, or be a command to a CI service (`::error::`).
    """
    return " ".join(text.splitlines())


def visible_json(text: str) -> str:
    """JSON with such characters as escapes: the same values, and nothing that a terminal acts on."""
    return text if text.isascii() and "\x7f" not in text else _INVISIBLE.sub(_escape, text)


def _stand_in(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    return f"\u27e8U+{code:04X}\u27e9"


def _escape(match: re.Match[str]) -> str:
    units = match.group().encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
