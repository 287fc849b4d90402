"""Files that a run leaves: written whole or not at all, so that a run can be resumed from them.

A run's folder may come from elsewhere. Below it nothing is written or removed through a link: each folder of
a name is opened from its parent's descriptor (`real_folder`).
"""

import errno
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import IO, Final

from orchestrator.errors import CrashmatrixError, HostError, InputError, Location

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def write_atomically(path: Path, text: str | Iterable[str]) -> None:
    """Write a text or its pieces under a temporary name and rename it; readers see the old or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.writelines([text] if isinstance(text, str) else text)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextmanager
def real_folder(root: Path, name: str) -> Generator[int]:
    """The descriptor of a folder below `root`, which is made where it is not there.

    `name` is relative, with `/`, and may be empty. Raises InputError where a part of it is a link or no
    folder, and HostError where it cannot be made. `root` itself may be reached by links.
    """
    place = root
    root.mkdir(parents=True, exist_ok=True)
    folder = os.open(root, _FOLDER)
    try:
        try:
            for part in PurePosixPath(name).parts:
                place /= part
                if part == "..":
                    raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
                with suppress(FileExistsError):
                    os.mkdir(part, dir_fd=folder)
                outer, folder = folder, os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
                os.close(outer)
            yield folder
        finally:
            os.close(folder)
    except OSError as error:
        raise _cannot_write(error, place) from error


def write_below(root: Path, name: str, text: str | Iterable[str]) -> None:
    """Write a file below a folder atomically and through no link; raises as `real_folder` does."""
    parent, _, last = name.rpartition("/")
    with real_folder(root, parent) as folder:
        try:
            write_atomically(Path(f"/proc/self/fd/{folder}") / last, text)
        except OSError as error:
            raise _cannot_write(error, root / name) from error


def write_piece(root: Path, name: str, content: bytes, offset: int = 0) -> None:
    """Write bytes at a place of a file below a folder, through no link; raises as `real_folder` does.

    Not atomic: for evidence that counts only once the result beside it is written.
    """
    parent, _, last = name.rpartition("/")
    with real_folder(root, parent) as folder:
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            handle = os.open(last, flags, 0o644, dir_fd=folder)
        except OSError as error:
            raise _cannot_write(error, root / name) from error
        with os.fdopen(handle, "wb") as stream:
            stream.seek(offset)
            stream.write(content)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file of this program's own under a temporary name, and rename it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as stream:
        stream.write(content)
    Path(stream.name).replace(path)


def open_below(root: Path, name: str) -> IO[str]:
    """A new text file below a folder, in place of what is there; raises as `real_folder` does."""
    parent, _, last = name.rpartition("/")
    with real_folder(root, parent) as folder:
        try:
            with suppress(FileNotFoundError):
                os.unlink(last, dir_fd=folder)
            handle = os.open(last, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644, dir_fd=folder)
        except OSError as error:
            raise _cannot_write(error, root / name) from error
    return os.fdopen(handle, "w", encoding="utf-8", buffering=1)


def names_below(root: Path, name: str) -> list[str]:
    """The names in a folder below `root`, sorted; none where it is not there or reached by a link."""
    if not is_real_folder(root, name):
        return []
    with real_folder(root, name) as folder:
        return sorted(os.listdir(folder))  # noqa: PTH208 - of a descriptor


def is_absent(root: Path, name: str) -> bool:
    """Whether it is certain that nothing exists at a relative name."""
    try:
        os.lstat(f"{root}/{name}")
    except FileNotFoundError:
        return True
    except OSError:
        pass  # unknown
    return False


def is_real_folder(root: Path, name: str) -> bool:
    """Whether a relative name is a folder that is reached without following a symbolic link."""
    try:
        modes = list(_modes(root, name))
    except (OSError, ValueError):
        return False
    return all(stat.S_ISDIR(mode) for _, mode in modes)


def _modes(root: Path, name: str) -> Iterator[tuple[Path, int]]:
    """The path and mode of each part of a name below a folder; raises OSError where one is not there."""
    place = root
    for part in PurePosixPath(name).parts:
        place /= part
        mode = place.lstat().st_mode
        yield place, stat.S_IFLNK if part == ".." else mode


def remove_below(root: Path, name: str, what: str) -> None:
    """Remove a file, a link, or a folder with all in it, if it is there.

    Raises InputError where a link leads there, and HostError as `remove_tree` does.
    """
    last = root / name
    with suppress(FileNotFoundError, PermissionError):  # `remove_tree` says that it cannot look there
        for place, mode in _modes(root, name):
            if place == last and not stat.S_ISDIR(mode):
                last.unlink()
                return
            if not stat.S_ISDIR(mode):
                raise _cannot_write(NotADirectoryError(), place)
    remove_tree(last, what)


def _cannot_write(error: OSError, place: Path) -> CrashmatrixError:
    where = Location(file=str(place))
    if isinstance(error, (NotADirectoryError, IsADirectoryError)) or error.errno == errno.ELOOP:
        what = "a run's folder has something else here: a link, a file or a folder"
        return InputError(what, where=where, hint="remove it")
    if error.errno == errno.ENAMETOOLONG:
        return InputError("the name is too long for a file", where=where, hint="leave this run out")
    what = f"this cannot be written: {error.strerror or error}"
    return HostError(what, where=where, hint="make room for it, and repeat the command")


def remove_tree(path: Path, what: str) -> None:
    """Remove a folder and all in it, if it is there; links are removed, not followed.

    `what` names the contents in the error. Raises HostError with the path of the first file that cannot be
    removed, also where it is unknown whether there is one, since a folder above cannot be searched.
    """

    def fail(_function: Callable[..., object], name: str, error: BaseException) -> None:
        if isinstance(error, FileNotFoundError):  # nothing was there, or another process removed it
            return
        if not isinstance(error, OSError):
            raise error
        raise HostError(
            f"{what} cannot be removed: {error.strerror or error}",
            where=Location(file=name),
            hint="remove it by hand and run again",
        ) from error

    if sys.version_info >= (3, 12):
        shutil.rmtree(path, onexc=fail)
    else:
        shutil.rmtree(path, onerror=lambda function, name, info: fail(function, name, info[1]))
