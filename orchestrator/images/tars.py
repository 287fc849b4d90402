"""The members of a tar from elsewhere: scanned within limits, read by their offsets.

`tarfile` reads a header's extension as a whole, however long it says that it is, and keeps all headers.
"""

import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO, Final

MOST_MEMBERS: Final = 100_000
"""A layer has three members in Docker's old format, and an image has tens of layers."""
LONGEST_NAME: Final = 300
LONGEST_READ: Final = 1 << 16
"""Bytes that are read at once while headers are scanned; a pax header has some hundred."""
MOST_GLOBALS: Final = 100
MOST_LINKS: Final = 4
CHUNK: Final = 1 << 20
KINDS: Final = frozenset({tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.SYMTYPE, tarfile.DIRTYPE})


class DamagedTarError(Exception):
    """A file is no tar, or one that is damaged, compressed, or too large in its headers."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """A regular file of a tar, by its place in it."""

    offset: int
    size: int


class _SmallReads:
    """A file as `tarfile` scans it; a longer read would be a header without bound."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek = file.seek
        self.tell = file.tell

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= LONGEST_READ:
            raise DamagedTarError("a header is too long")
        return self._file.read(size)


class Tar:
    """A tar that is not compressed. Raises DamagedTarError when it is opened or read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._files: dict[str, Member] = {}
        self._links: dict[str, str] = {}
        try:
            self._scan()
        except (tarfile.TarError, ValueError, OverflowError, RecursionError) as error:
            raise DamagedTarError(f"it is no tar, or a damaged one ({error})") from error

    def _scan(self) -> None:
        end = self._file.seek(0, 2)
        self._file.seek(0)
        with tarfile.open(fileobj=_SmallReads(self._file), mode="r:") as tar:  # type: ignore[call-overload]
            for number, info in enumerate(iter(tar.next, None)):
                tar.members = []  # headers that were read are not kept
                odd = info.type not in KINDS or info.sparse is not None
                long = len(info.name) > LONGEST_NAME or len(info.linkname) > LONGEST_NAME
                if odd or long or number >= MOST_MEMBERS or len(tar.pax_headers) > MOST_GLOBALS:
                    raise DamagedTarError(
                        f"it has a member that no archive of images has: {info.name[:80]!r}"
                    )
                if info.size < 0 or info.offset_data + info.size > end:
                    raise DamagedTarError("it was cut off")
                if info.issym():
                    self._links[_plain(info.name)] = info.linkname
                elif info.isreg():
                    self._files[_plain(info.name)] = Member(offset=info.offset_data, size=info.size)

    def find(self, name: str) -> Member:
        """A regular file by its name; links within the tar are followed."""
        name = _plain(name)
        for _ in range(MOST_LINKS):
            if name not in self._links:
                break
            name = _plain(str(PurePosixPath(name).parent / self._links[name]))
        if name not in self._files:
            raise DamagedTarError(f"it has no file {name[:80]!r}")
        return self._files[name]

    def content(self, name: str, limit: int) -> bytes:
        """The content of a small file."""
        member = self.find(name)
        if member.size > limit:
            raise DamagedTarError(f"{name[:80]!r} is larger than {limit >> 20} MiB")
        return b"".join(self.chunks(member))

    def chunks(self, member: Member) -> Iterator[bytes]:
        """The content of a file, piece by piece."""
        self._file.seek(member.offset)
        left = member.size
        while left:
            chunk = self._file.read(min(left, CHUNK))
            if not chunk:
                raise DamagedTarError("it was cut off")
            left -= len(chunk)
            yield chunk


def _plain(name: str) -> str:
    """A name without `.` and `..`, which never leads out of the tar."""
    parts: list[str] = []
    for part in PurePosixPath(name).parts:
        if part == "..":
            parts = parts[:-1]
        elif part not in ("/", "."):
            parts.append(part)
    return "/".join(parts)


def written(files: Mapping[str, bytes]) -> Iterator[bytes]:
    """Small files as members of a tar, without its end."""
    for name, content in files.items():
        yield header(name, len(content))
        yield content + padding(len(content))


def header(name: str, size: int) -> bytes:
    """The header of a regular file."""
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.GNU_FORMAT)


def padding(size: int) -> bytes:
    """What stands behind a member of this size."""
    return bytes(-size % tarfile.BLOCKSIZE)


END: Final = bytes(2 * tarfile.BLOCKSIZE)
"""The end of a tar."""
