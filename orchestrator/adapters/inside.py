"""Files of a project that others wrote: a link or a path in it must not lead out of it."""

import os
import stat
from pathlib import Path

from orchestrator.errors import InputError, Location


def resolve_inside(path: Path, root: Path, where: Location | None = None) -> Path:
    """The path without links and `..`; `root` must be resolved.

    Raises InputError where nothing is there, or where it lies outside of `root`.
    """
    name = _shown(path, root)
    try:
        found = path.resolve(strict=True)
    except (OSError, RuntimeError) as error:  # Python 3.11 raises RuntimeError for a loop of links
        said = error.strerror if isinstance(error, OSError) else "a loop of links"
        raise InputError(f"{name!r} cannot be read: {said}", where=where, hint="correct the path") from error
    if not found.is_relative_to(root):
        raise InputError(
            f"{name!r} leads out of the project's folder", where=where, hint="copy it into the project"
        )
    return found


def read_inside(path: Path, root: Path, limit: int, where: Location | None = None) -> bytes:
    """The content of a regular file; raises InputError as `resolve_inside` does, and beyond `limit` bytes."""
    found, name = resolve_inside(path, root, where), _shown(path, root)
    try:
        # Not blocking: a pipe that replaced the file meanwhile is refused, not waited for.
        with os.fdopen(os.open(found, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise InputError(f"{name!r} is not a file", where=where, hint="name a regular file")
            content = stream.read(limit + 1)
    except OSError as error:
        raise InputError(
            f"{name!r} cannot be read: {error.strerror}", where=where, hint="make it a readable file"
        ) from error
    if len(content) > limit:
        raise InputError(f"{name!r} is larger than {limit:,} bytes", where=where, hint="make it smaller")
    return content


def _shown(path: Path, root: Path) -> str:
    """A path as messages show it: relative to the project, as far as it lies in it."""
    plain = os.path.normpath(path)
    return str(Path(plain).relative_to(root)) if Path(plain).is_relative_to(root) else str(path)
