"""The cause in a failed build's log: the compiler's error, or other telling lines."""

import re
from collections.abc import Sequence
from typing import Final

MOST_LINES: Final = 8
"""Lines of a log that an error shows."""
LONGEST_STEP: Final = 60
STEP: Final = re.compile(r"Step \d|(\[\d+/\d+\] )?STEP \d")
"""The start of a step in a build's log: Docker's, and Podman's, which counts the stages too."""
_ENGINE: Final = re.compile(r"Removing intermediate container|The command '|--->")
_COMPILER: Final = re.compile(r"\S+:\d+(:\d+)?: (fatal )?error: ")
_PLAIN: Final = re.compile(
    r"((fatal )?error(\[E\d{4}\])?|E): (?!aborting due to |command '|[a-z]+(-[a-z]+)+$)\S"
)
"""rustc's errors have a code, and its last one only counts the others. pip's are names that say only which of
its steps failed (`metadata-generation-failed`), behind what the build said."""
_EXCEPTION: Final = re.compile(r"[A-Za-z_][\w.]*(Error|Exception)(: .+)?$")
_LINKER: Final = re.compile(r".*(undefined reference to|cannot find -l|collect2: error)")


def step(lines: Sequence[str]) -> str | None:
    """The failed step, which is the last one that began; a long command is cut."""
    last = next((line.strip() for line in reversed(lines) if STEP.match(line)), None)
    return f"{last[: LONGEST_STEP - 1]}…" if last and len(last) > LONGEST_STEP else last


def telling(lines: Sequence[str]) -> list[str]:
    """The lines that name the cause, the best ones first; if none does, the end of the failed step's."""
    said = [line for line in lines if line.strip() and not _ENGINE.search(line)]
    bare = [line.strip() for line in said]
    for pattern in (_COMPILER, _LINKER, _PLAIN):
        first = next((place for place, line in enumerate(bare) if pattern.match(line)), None)
        if first is not None:
            # Behind a compiler's error stand the line of the source and a mark under its place.
            return [line.rstrip() for line in _indented(said[first : first + MOST_LINES])]
    raised = [place for place, line in enumerate(bare) if _EXCEPTION.match(line)]
    if raised:
        return [bare[raised[-1]]]
    began = max((place for place, line in enumerate(bare) if STEP.match(line)), default=-1)
    return (said[began + 1 :] or said)[-MOST_LINES:]


def _indented(lines: Sequence[str]) -> list[str]:
    """Lines without the indentation of the first."""
    indent = len(lines[0]) - len(lines[0].lstrip())
    return [line[indent:] if not line[:indent].strip() else line for line in lines]
