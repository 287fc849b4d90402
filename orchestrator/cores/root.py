"""The folder of a sysroot: files that are fetched into it from a source.

Every name comes out of a core or a container and is untrusted. So is every build id: whoever links a
file chooses it. Only a debug server's answers are kept by it for other sysroots, and no file of a container.
"""

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import IO, Final

from orchestrator.cores.sources import Source
from orchestrator.cores.sysroot_paths import is_here, place
from orchestrator.errors import ToolError

BUILD_ID: Final = re.compile(r"[0-9a-f]{8,128}")
# Errors that a name or a size in a hostile core can cause; any other error is this host's.
_NAME_ERRORS: Final = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.EFBIG, errno.ELOOP,
     errno.EACCES, errno.EPERM}
)  # fmt: skip
# The list of files that the source lacks, so that each is asked for only once.
_ABSENT: Final = ".absent"

# Whether a file that was fetched is the one that is wanted.
Check = Callable[[Path], bool]
# Writes a file to a stream; False where there is none. Raises OSError.
Fetch = Callable[[IO[bytes]], bool]


class Root:
    """One sysroot."""

    def __init__(self, *, source: Source, folder: Path, store: Path | None) -> None:
        self.source = source
        self.folder = folder
        self._store = store
        register = folder / _ABSENT
        self._known_absent = frozenset(register.read_text().split("\0")) if register.exists() else frozenset()
        self._absent: set[str] = set()

    def note_absent(self) -> None:
        """Remember what the source lacks, for the next core."""
        if self._absent - self._known_absent:
            (self.folder / _ABSENT).write_text("\0".join(sorted(self._absent | self._known_absent)))

    def file(self, path: PurePosixPath) -> Path:
        """Where a file of the root lies in the sysroot; raises ValueError for a path that leads outside."""
        return place(self.folder, path)

    def have(self, path: PurePosixPath, *, check: Check | None = None) -> bool:
        """Whether a file is in the sysroot; it is fetched if it is not there yet.

        A file that `check` refuses counts as missing.
        """
        if is_here(self.folder, path):
            return check is None or check(self.file(path))
        try:
            if str(path) in self._known_absent or not self._put(path, self._copy_of(path), check):
                self._absent.add(str(path))
                return False
        except (OSError, ValueError) as error:
            self._raise_if_of_host(path, error)
            return False
        return True

    def fetch(self, path: PurePosixPath, write: Fetch, check: Check) -> bool:
        """Put at a path what `write` gives, if that passes `check`; whether a file is there then."""
        if is_here(self.folder, path):
            return check(self.file(path))
        try:
            return self._put(path, write, check)
        except (OSError, ValueError) as error:
            self._raise_if_of_host(path, error)
            return False

    def fetch_as(self, path: PurePosixPath, named: PurePosixPath, check: Check) -> bool:
        """As `fetch`, of the source's file `named`."""
        return self.fetch(path, self._copy_of(named), check)

    def _copy_of(self, path: PurePosixPath) -> Fetch:
        return lambda target: self.source.copy(path, target)

    def _put(self, path: PurePosixPath, write: Fetch, check: Check | None) -> bool:
        target = self.file(path)
        with tempfile.NamedTemporaryFile(dir=self.folder) as stream:
            if not write(stream):
                return False
            stream.flush()
            if check and not check(Path(stream.name)):
                return False
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(stream.name, target)
        return True

    def _raise_if_of_host(self, path: PurePosixPath, error: OSError | ValueError) -> None:
        """Raise ToolError for an error that no name can cause."""
        if isinstance(error, OSError) and error.errno not in _NAME_ERRORS:
            hint = f"free space under {self.folder.parent}, or set CRASHMATRIX_CACHE"
            raise ToolError(f"{path} cannot be kept: {error.strerror}", hint=hint) from error

    def fetch_kept(self, path: PurePosixPath, build_id: str, kind: str, write: Fetch, check: Check) -> bool:
        """As `fetch`, of a server's file, which is kept for other sysroots by its build id and kind."""
        if self._store is None:
            return self.fetch(path, write, check)
        kept = self._store / build_id[:2] / f"{build_id[2:]}.{kind}"
        if kept.exists() and self.fetch(path, _copy_of_file(kept), check):
            return True
        if not self.fetch(path, write, check):
            return False
        kept.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            os.link(self.file(path), kept)
        return True


def _copy_of_file(file: Path) -> Fetch:
    def copy(target: IO[bytes]) -> bool:
        with file.open("rb") as stream:
            shutil.copyfileobj(stream, target)
        return True

    return copy
