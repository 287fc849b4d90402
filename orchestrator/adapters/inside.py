"""Files below a folder whose content others wrote: neither a link nor `..` in it leads out.

openat2(2) finds a file with RESOLVE_BENEATH. Where the kernel or a filter of system calls does not offer it,
each part of a name is opened from its parent's descriptor without following links, and links are resolved
here, with the same results. Neither way can be misled by files that are replaced meanwhile. Pipes, sockets
and devices are never opened, since opening one can block or change something.
"""

__lazy_modules__ = ("orchestrator.adapters",)

import errno
import os
import stat
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from io import BufferedReader, FileIO
from pathlib import Path
from typing import Final

from orchestrator.adapters import openat2
from orchestrator.errors import InputError, Location

MOST_LINKS: Final = 40
"""Links in one path, as Linux counts them (path_resolution(7))."""
LONGEST_PATH: Final = 4096
"""PATH_MAX of Linux in bytes."""
BUFFER: Final = 8 << 10
"""Bytes of a file that is read piece by piece; most of a run's files have fewer."""
_FOLDER: Final = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_LOOK: Final = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def resolve_inside(path: Path, root: Path, where: Location | None = None) -> Path:
    """The path of a file or folder below `root` without links and `..`.

    Raises InputError where nothing is there, where it lies outside of `root`, and for pipes and devices.
    """
    with _refusing(path, root, where), ExitStack() as stack:
        found, names = _walk(_parts(path, root), _opened(str(root), _FOLDER, None, stack), stack)
        mode = os.fstat(found).st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            raise OSError(errno.EINVAL, "it is neither a file nor a folder")
        return root.resolve().joinpath(*names)


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
    with _refusing(path, root, where):
        stream = _open_found(root, "/".join(_parts(path, root)))
        if stream is None:
            raise OSError(errno.EINVAL, "it is not a regular file")
        return stream


def find_inside(root: Path, name: str) -> BufferedReader | None:
    """The regular file of a relative name, opened for reading; None where there is none, or something else.

    Raises OSError where it cannot be looked at, or leads out of `root` (EXDEV).
    """
    try:
        return _open_found(root, name)
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
def _refusing(path: Path, root: Path, where: Location | None) -> Generator[None]:
    """Make each OSError an InputError with the path."""
    try:
        yield
    except OSError as error:
        said, name = error.strerror or str(error), _shown(path, root)
        if error.errno == errno.EXDEV:
            hint = f"copy what it means into {root}"
            raise InputError(f"{name!r} {said}", where=where, hint=hint) from error
        raise InputError(f"{name!r} cannot be read: {said}", where=where, hint="correct it") from error


def _open_found(root: Path, name: str) -> BufferedReader | None:
    """The regular file of a relative name, opened for reading; None where something else is there.

    Raises OSError; EXDEV, as of openat2(2), is the number of a name that leads out of the folder. A report
    opens three files a cell, so there is no context manager here.
    """
    found = _look(root, name)
    try:
        if not stat.S_ISREG(os.fstat(found).st_mode):
            return None
        # This opens the file that was found, even where its name was replaced. `open` would also ask whether
        # the file is a terminal.
        return BufferedReader(FileIO(f"/proc/self/fd/{found}", "rb"), BUFFER)
    finally:
        os.close(found)


def _look(root: Path, name: str) -> int:
    """An O_PATH descriptor of what lies at a relative name, for the caller to close; raises as `_open_found`.

    `root` itself may be reached by links.
    """
    encoded = _encoded(name)
    if name.startswith("/"):
        raise OSError(errno.EXDEV, openat2.OUT)
    folder = os.open(root, _FOLDER)
    try:
        found = openat2.look_beneath(folder, encoded or b".")
        if found is None:
            with ExitStack() as stack:
                found = os.dup(_walk(name.split("/"), folder, stack)[0])
        return found
    finally:
        os.close(folder)


def _walk(parts: list[str], root: int, stack: ExitStack) -> tuple[int, list[str]]:
    """A descriptor, which `stack` closes, of what lies at a path below a folder; its names without links."""
    left = parts[::-1]
    way = [root]
    names: list[str] = []
    links = 0
    while left:
        part = left.pop()
        if not stat.S_ISDIR(os.fstat(way[-1]).st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if part in ("", "."):
            continue
        if part == "..":
            if not names:
                raise OSError(errno.EXDEV, openat2.OUT)
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
    return way[-1], names


def _opened(name: str, flags: int, parent: int | None, stack: ExitStack) -> int:
    descriptor = os.open(name, flags, dir_fd=parent)
    stack.callback(os.close, descriptor)
    return descriptor


def _link_parts(target: str, links: int) -> list[str]:
    """The parts of a link's target, last first; an absolute one always leads out."""
    if target.startswith("/"):
        raise OSError(errno.EXDEV, openat2.OUT)
    if links > MOST_LINKS:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    return target.split("/")[::-1]


def _encoded(name: str) -> bytes:
    """A name as the kernel takes it; raises OSError for one that it cannot take."""
    if "\0" in name:
        raise OSError(errno.EINVAL, "it has a NUL byte")
    encoded = os.fsencode(name)
    if len(encoded) > LONGEST_PATH:
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
    return encoded


def _parts(path: Path, root: Path) -> list[str]:
    """The parts of a path below the root; it may be written by the root's own path or by its resolved one."""
    _encoded(str(path))
    for start in (root, root.absolute(), root.resolve()):
        whole = path if start is root else path.absolute()
        if whole.is_relative_to(start):
            return list(whole.relative_to(start).parts)
    raise OSError(errno.EXDEV, openat2.OUT)


def _shown(path: Path, root: Path) -> str:
    """A path as messages show it: relative to the folder, as far as it lies in it."""
    plain = os.path.normpath(path)
    return str(Path(plain).relative_to(root)) if Path(plain).is_relative_to(root) else str(path)
