"""Stacks that were named before, kept on disk: one file each, by a digest of all that their names depend on.

Beside the image and the offsets in its files that is this program itself, so another version, or a changed
checkout, finds none. What is kept is a hint: a file that is damaged is not used.
"""

import hashlib
from collections.abc import Hashable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

import orchestrator
from orchestrator.adapters.files import write_atomically
from orchestrator.errors import CrashmatrixError

MAX_KEPT: Final = 2000
"""Stacks that are kept, of some kilobytes each; then the older half is removed."""
MAX_SIZE: Final = 4 << 20

Kept = TypeVar("Kept")


class KeptStacks(Generic[Kept]):
    """A folder of stacks of one type."""

    def __init__(self, folder: Path, kind: type[Kept]) -> None:
        self._folder, self._adapter = folder, TypeAdapter(kind)

    def get(self, key: Hashable) -> Kept | None:
        """The stack that was kept by this key."""
        with suppress(OSError, ValidationError), self._place(key).open("rb") as stream:
            return self._adapter.validate_json(stream.read(MAX_SIZE))
        return None

    def put(self, key: Hashable, stack: Kept) -> None:
        """Keep a stack; a disk that is full, or not writable, keeps none."""
        with suppress(OSError, CrashmatrixError):
            self._make_room()
            write_atomically(self._place(key), self._adapter.dump_json(stack).decode())

    def _place(self, key: Hashable) -> Path:
        digest = hashlib.sha256(repr((_program(), key)).encode(errors="surrogateescape"))
        return self._folder / f"{digest.hexdigest()}.json"

    def _make_room(self) -> None:
        kept = sorted(self._folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)
        for path in kept[: MAX_KEPT // 2] if len(kept) >= MAX_KEPT else ():
            path.unlink()


@cache
def _program() -> str:
    """What identifies the code that names stacks: its files with their sizes and times."""
    root = Path(orchestrator.__file__).parent
    files = [path for folder in ("binary", "crash") for path in sorted((root / folder).rglob("*.py"))]
    states = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return repr((orchestrator.__version__, states))
