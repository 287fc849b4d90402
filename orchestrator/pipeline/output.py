"""What a trial wrote, as its verdict is given on it."""

from pathlib import Path
from typing import Final

from orchestrator.model import Outcome

TEXT_LIMIT: Final = 1 << 20
"""Bytes at each end of a stream that a message may be looked for in; the whole is on disk."""


def written(run: Path, outcome: Outcome) -> str:
    """Stdout and then stderr of a trial of the run in this folder."""
    return "\n".join(_head_and_tail(run / path) for path in (outcome.stdout, outcome.stderr))


def _head_and_tail(path: Path) -> str:
    """The text of a stream, without the middle of a very long one."""
    with path.open("rb") as stream:
        head = stream.read(TEXT_LIMIT)
        stream.seek(0, 2)
        rest = max(0, stream.tell() - len(head))
        stream.seek(-min(rest, TEXT_LIMIT), 2)
        tail = stream.read() if rest else b""
    return (head + tail).decode(errors="replace")
