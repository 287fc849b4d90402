"""A trial with what it wrote, as its verdict is given on it."""

from pathlib import Path
from typing import Final

from orchestrator.model import Trial
from orchestrator.verdict import Observation

TEXT_LIMIT: Final = 8 << 20
"""Bytes at each end of a stream that a message is looked for in; the whole is on disk."""


def observation_of(run: Path, trial: Trial) -> Observation:
    """A trial of the run in this folder, with its stdout and then its stderr."""
    streams = [_head_and_tail(run / path) for path in (trial.outcome.stdout, trial.outcome.stderr)]
    return Observation(
        trial=trial,
        text="\n".join(text for text, _ in streams),
        whole=all(whole for _, whole in streams) and not trial.outcome.truncated_streams,
    )


def _head_and_tail(path: Path) -> tuple[str, bool]:
    """The text of a stream, without the middle of a very long one, and whether that is all of it."""
    with path.open("rb") as stream:
        head = stream.read(TEXT_LIMIT)
        stream.seek(0, 2)
        rest = stream.tell() - len(head)
        stream.seek(-min(rest, TEXT_LIMIT), 2)
        tail = stream.read() if rest else b""
    return (head + tail).decode(errors="replace"), rest <= TEXT_LIMIT
