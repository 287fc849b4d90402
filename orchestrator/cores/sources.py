"""Sources of the files of a crashed process: an image, a container, or a folder of this host.

Names are those of the process's own root. They come out of a core and are untrusted, and so are the
links in a container or a copied root: a name never leads out of its source.
"""

from __future__ import annotations

__lazy_modules__ = ("orchestrator.adapters",)

import io
import os
import shutil
import stat
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import IO, Final, Protocol

from orchestrator.adapters import engine
from orchestrator.cores.layers import MAX_LINKS, UnclearLayersError, find

MAX_FILE: Final = 1 << 30
"""Bytes of one file that are fetched."""
COPY: Final = 1 << 20
"""Bytes that are copied at a time."""
MAX_LISTING, MAX_LISTINGS = 4 << 20, 64 << 20
"""Bytes of one file of a folder that is listed, and of all; dpkg's lists of a full desktop have 40 MB."""


class Source(Protocol):
    """A root filesystem to take files out of."""

    def __str__(self) -> str:
        """Say what this is, for example "image crashmatrix/...". Part of messages."""
        ...

    def copy(self, path: PurePosixPath, target: IO[bytes]) -> bool:
        """Write one regular file to `target`; False where there is none of this name. Raises OSError."""
        ...

    def listings(self, folder: PurePosixPath, suffix: str) -> Iterator[tuple[str, bytes]]:
        """Name and content of the small files in a folder whose names end with `suffix`."""
        ...


class ContainerSource:
    """A container, running or not, with its volumes."""

    def __init__(self, engine: engine.Engine, container: str, title: str) -> None:
        self._engine = engine
        self._container = container
        self._title = title

    def __str__(self) -> str:
        return self._title

    def copy(self, path: PurePosixPath, target: IO[bytes]) -> bool:
        """Fetch one file from the container; a link is followed there."""
        try:
            if self._copy(path, target):
                return True
            linked = self._engine.link_target(self._container, str(path))
            return linked is not None and self._copy(PurePosixPath(linked), target)
        except FileNotFoundError:
            return False

    def listings(self, folder: PurePosixPath, suffix: str) -> Iterator[tuple[str, bytes]]:
        """The small files of a folder of the container."""
        with suppress(FileNotFoundError, OSError):
            for member, content in self._engine.fetch(self._container, str(folder), limit=MAX_LISTINGS):
                if member.name.endswith(suffix):
                    yield PurePosixPath(member.name).name, content.read(MAX_LISTING)

    def _copy(self, path: PurePosixPath, target: IO[bytes]) -> bool:
        for member, content in self._engine.fetch(self._container, str(path), limit=MAX_FILE):
            if member.name == path.name:
                shutil.copyfileobj(content, target)
                return True
        return False


class ImageSource:
    """An image: its layers where this user may read the engine's store, else by the engine.

    `connect` gives the engine, which is needed for the first file that no cache has. A container of the image
    is created when the engine is first asked for a file; `close` removes it.
    """

    def __init__(self, connect: Callable[[], engine.Engine], image: str, labels: Mapping[str, str]) -> None:
        self._connect = connect
        self._image = image
        self._labels = labels
        self._held: str | None = None

    def __str__(self) -> str:
        return f"image {self._image.removeprefix('sha256:')[:12]}"

    @property
    def holds(self) -> bool:
        """Whether the engine had to be asked for a file."""
        return self._held is not None

    def copy(self, path: PurePosixPath, target: IO[bytes]) -> bool:
        """Fetch one file from the image."""
        found = self._copy_from_layers(path, target)
        return self._source().copy(path, target) if found is None else found

    def listings(self, folder: PurePosixPath, suffix: str) -> Iterator[tuple[str, bytes]]:
        """The small files of a folder of the image, in whichever layers they are."""
        if not self._layers:
            yield from self._source().listings(folder, suffix)
            return
        seen: set[str] = set()
        for layer in self._layers:
            for name, content in FolderSource(layer).listings(folder, suffix):
                if name not in seen:
                    seen.add(name)
                    yield name, content

    def close(self) -> None:
        """Remove the container, if one was made."""
        if self._held:
            self._connect().remove(self._held)
        self._held = None

    @cached_property
    def _layers(self) -> tuple[Path, ...]:
        return self._connect().layers(self._image)

    def _copy_from_layers(self, path: PurePosixPath, target: IO[bytes]) -> bool | None:
        """Whether the layers have a file; None where only the engine can tell."""
        if not self._layers:
            return None
        try:
            file = find(self._layers, path)
            if file:
                return _copy_regular(file, target)
        except (OSError, UnclearLayersError):
            target.seek(0)
            target.truncate()
            return None
        # An image that was removed meanwhile has no layers; the engine reports that.
        return False if all(layer.is_dir() for layer in self._layers) else None

    def _source(self) -> ContainerSource:
        if self._held is None:
            self._held = self._connect().hold(self._image, labels=self._labels)
        return ContainerSource(self._connect(), self._held, str(self))


@contextmanager
def image_source(
    connect: Callable[[], engine.Engine], image: str, labels: Mapping[str, str]
) -> Generator[ImageSource]:
    """An image as a source; `labels` go on the container that may be held meanwhile."""
    source = ImageSource(connect, image, labels)
    try:
        yield source
    finally:
        source.close()


class FolderSource:
    """A root filesystem that was copied to a folder, or this host's own (`/`)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __str__(self) -> str:
        return "this host" if self._folder == Path("/") else f"folder {self._folder}"

    def copy(self, path: PurePosixPath, target: IO[bytes], *, limit: int = MAX_FILE) -> bool:
        """Copy one file; its links are followed inside the folder."""
        try:
            return _copy_regular(inside(self._folder, path), target, limit)
        except FileNotFoundError:
            return False

    def listings(self, folder: PurePosixPath, suffix: str) -> Iterator[tuple[str, bytes]]:
        """The small files of a folder, without links."""
        try:
            with os.scandir(inside(self._folder, folder)) as entries:
                named = [entry for entry in entries if entry.name.endswith(suffix)]
            paths = {item.name: item.path for item in named if item.is_file(follow_symlinks=False)}
        except OSError:
            return
        left = MAX_LISTINGS
        for name in sorted(paths):
            content = _listing(paths[name]) if left > 0 else None
            if content is not None:
                left -= len(content)
                yield name, content


def _listing(file: str) -> bytes | None:
    """A small regular file; there are hundreds, so each is read by as few calls as can be."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    with io.FileIO(descriptor) as stream:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_LISTING:
            return None
        return stream.read(status.st_size)


class KeptSource:
    """A source, and a folder of files that it lacks."""

    def __init__(self, rest: Source, kept: FolderSource) -> None:
        self._rest = rest
        self._kept = kept

    def __str__(self) -> str:
        return f"{self._rest} and the container's /work"

    def copy(self, path: PurePosixPath, target: IO[bytes]) -> bool:
        """Copy a file from the folder, else from the rest."""
        return self._kept.copy(path, target) or self._rest.copy(path, target)

    def listings(self, folder: PurePosixPath, suffix: str) -> Iterator[tuple[str, bytes]]:
        """The small files of a folder of the rest."""
        return self._rest.listings(folder, suffix)


class ProgramSource:
    """Another source with the program's own file taken from the host (`--exe`)."""

    def __init__(self, rest: Source, path: PurePosixPath, file: Path) -> None:
        self._rest = rest
        self._path = path
        self._file = file

    def __str__(self) -> str:
        return f"{self._file} and {self._rest}"

    def copy(self, path: PurePosixPath, target: IO[bytes]) -> bool:
        """Copy the program from the given file, and everything else from the other source."""
        if path != self._path:
            return self._rest.copy(path, target)
        with self._file.open("rb") as stream:
            shutil.copyfileobj(stream, target)
        return True

    def listings(self, folder: PurePosixPath, suffix: str) -> Iterator[tuple[str, bytes]]:
        """The small files of a folder of the rest."""
        return self._rest.listings(folder, suffix)


def _copy_regular(file: Path, target: IO[bytes], limit: int = MAX_FILE) -> bool:
    """Copy a file that is no link; False where it is no regular file, or too large. Raises OSError.

    A file of size 0, as in /proc, is copied as an empty one, even where reading it gives data.
    """
    if not stat.S_ISREG(file.lstat().st_mode):  # opening a device may do something
        return False
    descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as stream:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > limit:
            return False
        left = status.st_size
        while left and (piece := stream.read(min(left, COPY))):
            target.write(piece)
            left -= len(piece)
    return True


def inside(folder: Path, path: PurePosixPath) -> Path:
    """A path with its links followed as if `folder` were the root (chroot); raises FileNotFoundError."""
    left = [part for part in reversed(path.parts) if part != "/"]
    place, links = folder, 0
    while left:
        part = left.pop()
        if part == "..":
            place = folder if place == folder else place.parent
            continue
        step = place / part
        if not step.is_symlink():
            place = step
            continue
        links += 1
        if links > MAX_LINKS:
            raise FileNotFoundError(str(path))
        target = step.readlink()
        place = folder if target.is_absolute() else place
        left += [item for item in reversed(target.parts) if item != "/"]
    return place
