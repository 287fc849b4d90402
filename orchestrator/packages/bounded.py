"""Archives of others, read within bounds of memory, size and time.

tarfile reads a member's headers into memory, however large they say they are, and searches them in quadratic
time; zipfile reads an archive's directory as a whole. So a few megabytes can take all memory of a host.
"""

import gzip
import io
import lzma
import tarfile
import time
import zipfile
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

LARGEST_HEADER: Final = 32 << 10
"""Bytes of one read, of which headers take one each; a name and its times have some hundreds."""
CHUNK: Final = 16 << 10
"""Bytes of a member that are read at once."""
LARGEST: Final = 4 << 30
"""Bytes of all members with their headers; more is taken for a bomb."""
LARGEST_DIRECTORY: Final = 16 << 20
"""Bytes of a zip archive's directory: it has 50 to 200 for each file."""
SECONDS: Final = 120.0
"""A large source distribution, of 100 MB, is read in three."""
_END: Final = b"PK\x05\x06"
_END_64: Final = b"PK\x06\x07"
"""Of an archive of more than 4 GiB or 65,535 files, whose sizes are elsewhere (APPNOTE 4.3.15)."""
_TAIL: Final = 66_000
"""Bytes at the end of an archive in which its directory is named: a comment of 65,535 may follow it."""

ERRORS: Final = (
    OSError,
    EOFError,
    ValueError,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    NotImplementedError,  # a way of compression, or a flag
    RuntimeError,  # an encrypted file
)
"""Whatever comes of an archive that is damaged, or goes beyond the bounds."""


class _Bounded:
    """The stream that tarfile reads from."""

    def __init__(self, stream: "gzip.GzipFile") -> None:
        self._stream, self._end = stream, time.monotonic() + SECONDS

    def read(self, size: int) -> bytes:
        """Bytes; raises ReadError beyond the bounds."""
        if size > LARGEST_HEADER:
            raise tarfile.ReadError(f"it has a header of {size:,} bytes")
        self._check(self._stream.tell())
        return self._stream.read(size)

    def seek(self, place: int) -> int:
        """Go to a place, which decompresses what lies before it."""
        while self._stream.tell() < place:
            self._check(place)
            if not self._stream.read(min(1 << 20, place - self._stream.tell())):
                break
        return self._stream.tell() if self._stream.tell() <= place else self._stream.seek(place)

    def tell(self) -> int:
        """Where the next read begins."""
        return self._stream.tell()

    def _check(self, place: int) -> None:
        if place > LARGEST:
            raise tarfile.ReadError(f"it is larger than {LARGEST >> 30} GiB unpacked")
        if time.monotonic() > self._end:
            raise tarfile.ReadError(f"it was not read within {SECONDS:.0f} s")


@contextmanager
def open_tar(path: Path) -> Generator[tarfile.TarFile]:
    """A tar archive that gzip compressed; reading raises one of ERRORS beyond the bounds.

    Members are to be read by CHUNK.
    """
    with gzip.open(path) as stream:
        bounded = _Bounded(stream)  # tarfile asks for no more than its methods
        with tarfile.open(fileobj=bounded, mode="r:") as archive:  # type: ignore[call-overload]
            yield archive


@contextmanager
def open_zip(path: Path) -> Generator[zipfile.ZipFile]:
    """A zip archive; raises BadZipFile for a directory beyond the bounds."""
    with path.open("rb") as stream:
        size = stream.seek(0, io.SEEK_END)
        stream.seek(max(0, size - _TAIL))
        tail = stream.read()
    if _END_64 in tail:
        raise zipfile.BadZipFile("it has more files than a source distribution")
    ends = [place for place in range(len(tail)) if tail.startswith(_END, place)] if _END in tail else []
    if any(int.from_bytes(tail[place + 12 : place + 16], "little") > LARGEST_DIRECTORY for place in ends):
        raise zipfile.BadZipFile("its directory is larger than that of any source distribution")
    with zipfile.ZipFile(path) as archive:
        yield archive
