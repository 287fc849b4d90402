"""A trial with its output, as the verdict needs it."""

from pathlib import Path
from typing import Final

from orchestrator.model import Trial
from orchestrator.verdict import Observation

TEXT_LIMIT: Final = 8 << 20
"""Bytes at each end of a stream in which a message is searched; the whole stream is on disk."""


def observation_of(run: Path, trial: Trial) -> Observation:
    """The observation of a trial; `run` is the run's folder. Its text is stdout, then stderr."""
    streams = [_head_and_tail(run / path) for path in (trial.outcome.stdout, trial.outcome.stderr)]
    return Observation(
        trial=trial,
        text="\n".join(text for text, _ in streams),
        whole=all(whole for _, whole in streams) and not trial.outcome.truncated_streams,
    )


def _head_and_tail(path: Path) -> tuple[str, bool]:
    """The text of a stream without the middle of a very long one, and whether it is complete."""
    with path.open("rb") as stream:
        head = stream.read(TEXT_LIMIT)
        stream.seek(0, 2)
        rest = stream.tell() - len(head)
        stream.seek(-min(rest, TEXT_LIMIT), 2)
        tail = stream.read() if rest else b""
    return (head + tail).decode(errors="replace"), rest <= TEXT_LIMIT
