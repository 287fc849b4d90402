"""A trial's stdout and stderr, kept apart and whole, on disk as they arrive."""

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Final

LIMIT: Final = 256 * 1024 * 1024
"""Bytes kept of one stream; a program that writes more is cut, and that is said."""
NAMES: Final = ("stdout", "stderr")


class Streams:
    """Writes each stream to its file and remembers which were cut."""

    def __init__(self, files: dict[str, IO[bytes]], limit: int) -> None:
        self._files = files
        self._left = dict.fromkeys(files, limit)
        self._cut: set[str] = set()

    def write(self, name: str, data: bytes) -> None:
        """Append to a stream; what is beyond the limit is read and dropped, so the writer never blocks."""
        kept = data[: self._left[name]]
        self._files[name].write(kept)
        self._left[name] -= len(kept)
        if len(kept) < len(data):
            self._cut.add(name)

    @staticmethod
    def file_name(name: str) -> str:
        """A stream's file: .txt, so that a browser shows it as text whatever is in it."""
        return f"{name}.txt"

    @property
    def cut(self) -> tuple[str, ...]:
        """The streams that are not whole."""
        return tuple(sorted(self._cut))


@contextmanager
def open_streams(folder: Path, limit: int = LIMIT) -> Generator[Streams]:
    """Open a trial's two output files; unbuffered, so that a killed run leaves what was said."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        yield Streams(
            {
                name: stack.enter_context((folder / Streams.file_name(name)).open("wb", buffering=0))
                for name in NAMES
            },
            limit,
        )
