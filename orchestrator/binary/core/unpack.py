"""Unpacks stored, compressed cores to plain ones that can be mapped."""

import gzip
import lzma
import zlib
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

import lz4.frame
import zstandard

from orchestrator.errors import CoreError
from orchestrator.scratch import scratch_folder

ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
# Bytes that a core may unpack to without its holes; a few kB of zstd can hold any number of them.
MAX_BYTES: Final = 8 << 30
# How many times as long the core may be with its holes: a process may map far more than it touches.
HOLES: Final = 8
# Bytes of memory that unpacking may take; an archive itself says how much its dictionary needs.
MAX_MEMORY: Final = 128 << 20
CHUNK: Final = 1 << 20
ZEROS: Final = bytes(CHUNK)

Unpacker = Callable[[BinaryIO], Iterator[bytes]]


@contextmanager
def plain_core(path: Path, *, limit: int = MAX_BYTES) -> Generator[Path]:
    """A core as a plain file: itself, or unpacked to a temporary one that is removed afterwards.

    zstd, lz4, xz and gzip are recognized by their magic numbers, not by the file's name. A truncated archive
    is unpacked as far as it goes, and one that unpacks to more than `limit` bytes up to there, to a truncated
    core. Raises CoreError where the archive is damaged.
    """
    with path.open("rb") as stream:
        head = stream.read(max(map(len, UNPACKERS)))
    unpacker = next((unpack for magic, unpack in UNPACKERS.items() if head.startswith(magic)), None)
    if unpacker is None:
        yield path
        return
    with scratch_folder("core") as folder:
        target = folder / "core"
        _unpack(path, target, unpacker, limit)
        yield target


def _unpack(source: Path, target: Path, unpacker: Unpacker, limit: int) -> None:
    with source.open("rb") as packed, target.open("wb") as plain:
        left = limit
        try:
            for chunk in unpacker(packed):
                left -= _write(chunk, plain)
                if left <= 0 or plain.tell() >= limit * HOLES:
                    break
        except EOFError:
            pass  # Truncated, and so is the core, which says it.
        except (zstandard.ZstdError, lzma.LZMAError, zlib.error, gzip.BadGzipFile, RuntimeError) as error:
            raise CoreError(f"{source.name} is damaged: {error}", hint="collect the core again") from error
        plain.truncate()


def _write(chunk: bytes, plain: BinaryIO) -> int:
    """Write a chunk, or leave a hole for one of zeros, of which cores are full; returns the bytes written."""
    if chunk != ZEROS[: len(chunk)]:
        return plain.write(chunk)
    plain.seek(len(chunk), 1)
    return 0


def _zstd(packed: BinaryIO) -> Iterator[bytes]:
    """All frames; pzstd writes one for each of its threads."""
    unpacker = zstandard.ZstdDecompressor(max_window_size=MAX_MEMORY)
    with unpacker.stream_reader(packed, read_across_frames=True, closefd=False) as file:
        yield from iter(lambda: file.read(CHUNK), b"")


def _lz4(packed: BinaryIO) -> Iterator[bytes]:
    with lz4.frame.LZ4FrameFile(packed) as file:
        yield from iter(lambda: file.read(CHUNK), b"")


def _gzip(packed: BinaryIO) -> Iterator[bytes]:
    with gzip.GzipFile(fileobj=packed) as file:
        yield from iter(lambda: file.read(CHUNK), b"")


def _xz(packed: BinaryIO) -> Iterator[bytes]:
    """All streams; pixz and cat(1) write several, with zeros between them."""
    rest = packed.read(CHUNK)
    while rest:
        unpacker = lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=MAX_MEMORY)
        yield unpacker.decompress(rest, CHUNK)
        while not unpacker.eof:
            fed = packed.read(CHUNK) if unpacker.needs_input else b""
            if unpacker.needs_input and not fed:
                raise EOFError
            yield unpacker.decompress(fed, CHUNK)
        rest = unpacker.unused_data.lstrip(b"\0")
        while not rest and (fed := packed.read(CHUNK)):
            rest = fed.lstrip(b"\0")


# By magic number: what systemd-coredump writes (its compress.c), and what people use.
UNPACKERS: Final[Mapping[bytes, Unpacker]] = {
    ZSTD_MAGIC: _zstd,
    b"\x04\x22\x4d\x18": _lz4,
    b"\xfd7zXZ\0": _xz,
    b"\x1f\x8b": _gzip,
}
