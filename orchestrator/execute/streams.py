"""The trials' stdout and stderr, kept apart, written to disk as they arrive.

Trials that share a container share its streams. Between two of them the supervisor writes a mark to
each, which nobody else knows beforehand, so each trial's output goes to a file of its own.
"""

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Final

LIMIT: Final = 256 * 1024 * 1024
"""Bytes kept of one stream of a container; more is truncated, and the outcome says so."""
NAMES: Final = ("stdout", "stderr")


class _Stream:
    """One stream: writes to the current trial's file, and to the next trial's after each mark."""

    def __init__(self, stack: ExitStack, files: list[Path], mark: bytes, limit: int) -> None:
        self._stack = stack
        self._files = files
        self._mark = mark
        self._limit = self._left = limit
        self._held = b""
        """Bytes that may be the beginning of a mark whose rest has not arrived."""
        self._current = 0
        self._file = self._open()
        self.truncated: set[int] = set()

    def write(self, data: bytes) -> None:
        """Append; bytes beyond the limit are read and dropped, so the writer never blocks."""
        if not self._mark:
            self._keep(data)
            return
        *ended, rest = (self._held + data).split(self._mark)
        for piece in ended:
            self._keep(piece)
            self._current = min(self._current + 1, len(self._files) - 1)
            self._file, self._left = self._open(), self._limit
        held = _overlap(rest, self._mark)
        self._held = rest[len(rest) - held :]
        self._keep(rest[: len(rest) - held])

    def flush(self) -> None:
        """Write the bytes held back: they were no mark."""
        self._keep(self._held)
        self._held = b""

    def _keep(self, data: bytes) -> None:
        kept = data[: self._left]
        self._file.write(kept)
        self._left -= len(kept)
        if len(kept) < len(data):
            self.truncated.add(self._current)

    def _open(self) -> IO[bytes]:
        path = self._files[self._current]
        path.parent.mkdir(parents=True, exist_ok=True)
        return self._stack.enter_context(path.open("ab", buffering=0))


class Streams:
    """The streams of one container, each trial's in its own folder, in the order of `folders`."""

    def __init__(self, stack: ExitStack, folders: list[Path], mark: bytes, limit: int) -> None:
        self._streams = {
            name: _Stream(stack, [folder / self.file_name(name) for folder in folders], mark, limit)
            for name in NAMES
        }

    def write(self, name: str, data: bytes) -> None:
        """Append to a stream as it arrives."""
        self._streams[name].write(data)

    def flush(self) -> None:
        """Write the bytes held back, once no more can arrive."""
        for stream in self._streams.values():
            stream.flush()

    @staticmethod
    def file_name(name: str) -> str:
        """A stream's file: .txt, so that a browser shows it as text whatever is in it."""
        return f"{name}.txt"

    def truncated(self, index: int) -> tuple[str, ...]:
        """The truncated streams of the trial in the folder of this index."""
        return tuple(sorted(name for name, stream in self._streams.items() if index in stream.truncated))


@contextmanager
def open_streams(folders: list[Path], mark: bytes = b"", limit: int = LIMIT) -> Generator[Streams]:
    """Open the trials' output files, unbuffered, so that a killed run leaves the output so far.

    `limit` bytes are kept of each stream of each trial, whatever others in the container wrote.
    """
    for folder in folders:
        for name in NAMES:
            (folder / Streams.file_name(name)).unlink(missing_ok=True)
    with ExitStack() as stack:
        streams = Streams(stack, folders, mark, limit)
        try:
            yield streams
        finally:
            streams.flush()


def _overlap(data: bytes, mark: bytes) -> int:
    """How many of the last bytes of `data` may be the beginning of a mark."""
    return next((size for size in range(len(mark) - 1, 0, -1) if data.endswith(mark[:size])), 0)
