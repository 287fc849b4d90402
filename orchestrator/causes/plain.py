"""Text reduced to what happened: without numbers, addresses, paths and counts of trials."""

import re
from typing import Final

from orchestrator.adapters.visible import visible

LONGEST: Final = 300
"""Characters of a text that are compared."""
_PATH: Final = re.compile(r"(?<![\w.])(?:\.{0,2}/)(?:[\w.+@=-]+/)*([\w.+@=-]*)")
"""An absolute path, or one from the current folder: its last part tells, the folders do not."""
_NUMBER: Final = re.compile(r"\b0x[0-9a-fA-F]+\b|\b\d[\d.,:]*")
_TRIALS: Final = re.compile(r" \(\d+ of \d+ trials[^()]*(?:\([^()]*\)[^()]*)*\)$")
"""The count of trials at the end of a reason."""
_EXIT: Final = re.compile(r"expected exit \d+")


def plain(text: str) -> str:
    """The text on one line, with `N` for each number and the last part for each path."""
    line = " ".join(visible(text[: 4 * LONGEST]).split())[:LONGEST]
    return _NUMBER.sub("N", _PATH.sub(r"\1", line))


def without_trials(reason: str) -> str:
    """A reason without the count of trials at its end."""
    return _TRIALS.sub("", reason)


def difference(wrong: str) -> str:
    """A part of an expectation that is not met; clean exits have another status under each launcher."""
    return plain(_EXIT.sub("expected another exit status", wrong))


def short(text: str, limit: int) -> str:
    """Text on one line, cut with an ellipsis."""
    line = " ".join(visible(text[: 4 * limit]).split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"
