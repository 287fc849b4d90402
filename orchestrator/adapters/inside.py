"""Files below a folder whose content others wrote: neither a link nor `..` in it leads out.

Every part of a name is opened from its parent's descriptor without following links, and links are resolved by
hand, as openat2(2) does with RESOLVE_BENEATH; so nothing that is exchanged meanwhile leads elsewhere. Pipes,
sockets and devices are never opened: to open one can block or change something.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Final

from orchestrator.errors import InputError, Location

MOST_LINKS: Final = 40
"""Links in one path, as Linux counts them (path_resolution(7))."""
LONGEST_PATH: Final = 4096
"""PATH_MAX of Linux in bytes."""
_LOOK: Final = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_OUT: Final = "leads out of the folder"


@dataclass(frozen=True, kw_only=True)
class _Found:
    """A file or folder; no part of its path below the root is a link."""

    path: Path
    mode: int
    identity: tuple[int, int]
    """Device and inode."""

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file."""
        return stat.S_ISREG(self.mode)

    def opened(self) -> BufferedReader:
        """The file, opened by its path; raises OSError where another took its place."""
        stream = open_regular(self.path)
        found = os.fstat(stream.fileno())
        if (found.st_dev, found.st_ino) != self.identity:
            stream.close()
            raise OSError(errno.ESTALE, "it was replaced meanwhile")
        return stream


def resolve_inside(path: Path, root: Path, where: Location | None = None) -> Path:
    """The path of a file or folder below `root` without links and `..`.

    Raises InputError where nothing is there, where it lies outside of `root`, and for pipes and devices.
    """
    with _refusing(path, root, where), _found(path, root) as found:
        if not found.is_file and not stat.S_ISDIR(found.mode):
            raise OSError(errno.EINVAL, "it is neither a file nor a folder")
        return root.resolve() / found.path.relative_to(root)


def read_inside(path: Path, root: Path, limit: int, where: Location | None = None) -> bytes:
    """The content of a regular file; raises InputError as `resolve_inside` does, and beyond `limit` bytes."""
    with open_inside(path, root, where) as stream:
        content = stream.read(limit + 1)
    if len(content) > limit:
        name = _shown(path, root)
        raise InputError(f"{name!r} is larger than {limit:,} bytes", where=where, hint="make it smaller")
    return content


def open_inside(path: Path, root: Path, where: Location | None = None) -> BufferedReader:
    """A regular file, opened for reading; raises InputError as `resolve_inside` does."""
    with _refusing(path, root, where), _found(path, root) as found:
        if not found.is_file:
            raise OSError(errno.EINVAL, "it is not a regular file")
        return found.opened()


def find_inside(path: Path, root: Path) -> BufferedReader | None:
    """The regular file at a path, opened for reading; None where there is none, or something else.

    Raises OSError where it cannot be looked at, or leads out of `root` (EXDEV).
    """
    try:
        with _found(path, root) as found:
            return found.opened() if found.is_file else None
    except (FileNotFoundError, NotADirectoryError):
        return None


def open_regular(path: Path) -> BufferedReader:
    """A regular file, opened for reading; raises OSError for a link and for everything else, unopened.

    A pipe is not waited for, even one that takes the file's place between the look and the opening.
    """
    if not stat.S_ISREG(path.lstat().st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file")
    stream = os.fdopen(os.open(path, _READ), "rb")
    if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        stream.close()
        raise OSError(errno.EINVAL, "it is not a regular file")
    return stream


@contextmanager
def _refusing(path: Path, root: Path, where: Location | None) -> Iterator[None]:
    """Make each OSError an InputError with the path."""
    try:
        yield
    except OSError as error:
        said, name = error.strerror or str(error), _shown(path, root)
        if error.errno == errno.EXDEV:
            hint = f"copy what it means into {root}"
            raise InputError(f"{name!r} {said}", where=where, hint=hint) from error
        raise InputError(f"{name!r} cannot be read: {said}", where=where, hint="correct it") from error


@contextmanager
def _found(path: Path, root: Path) -> Iterator[_Found]:
    """What lies at a path below a folder, which itself may be reached by links; raises OSError.

    EXDEV, as of openat2(2), is the number of one that leads out of the folder.
    """
    with ExitStack() as stack:
        yield _walk(_parts(path, root), root, stack)


def _walk(parts: list[str], root: Path, stack: ExitStack) -> _Found:
    left = parts[::-1]
    way = [_opened(str(root), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, None, stack)]
    names: list[str] = []
    links = 0
    while left:
        part = left.pop()
        mode = os.fstat(way[-1]).st_mode
        if not stat.S_ISDIR(mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if part == "..":
            if not names:
                raise OSError(errno.EXDEV, _OUT)
            way.pop()
            names.pop()
            continue
        here = _opened(part, _LOOK, way[-1], stack)
        if stat.S_ISLNK(os.fstat(here).st_mode):
            links += 1
            left += _link_parts(os.readlink("", dir_fd=here), links)
        else:
            way.append(here)
            names.append(part)
    found = os.fstat(way[-1])
    return _Found(path=root.joinpath(*names), mode=found.st_mode, identity=(found.st_dev, found.st_ino))


def _opened(name: str, flags: int, parent: int | None, stack: ExitStack) -> int:
    descriptor = os.open(name, flags, dir_fd=parent)
    stack.callback(os.close, descriptor)
    return descriptor


def _link_parts(target: str, links: int) -> list[str]:
    """The parts of a link's target, last first; an absolute one always leads out."""
    if target.startswith("/"):
        raise OSError(errno.EXDEV, _OUT)
    if links > MOST_LINKS:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    return [part for part in target.split("/") if part not in ("", ".")][::-1]


def _parts(path: Path, root: Path) -> list[str]:
    """The parts of a path below the root; it may be written by the root's own path or by its resolved one."""
    if "\0" in str(path):
        raise OSError(errno.EINVAL, "it has a NUL byte")
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
    for start in (root, root.absolute(), root.resolve()):
        whole = path if start is root else path.absolute()
        if whole.is_relative_to(start):
            return list(whole.relative_to(start).parts)
    raise OSError(errno.EXDEV, _OUT)


def _shown(path: Path, root: Path) -> str:
    """A path as messages show it: relative to the folder, as far as it lies in it."""
    plain = os.path.normpath(path)
    return str(Path(plain).relative_to(root)) if Path(plain).is_relative_to(root) else str(path)
