"""Compressed sections: `SHF_COMPRESSED` by zlib or zstd, `.zdebug_*`, and `.gnu_debugdata` (xz).

The sizes that a file states are untrusted: no more than a limit is expanded, in bounded memory.
"""

__lazy_modules__ = ("lzma", "zlib", "zstandard")

import lzma
import struct
import zlib
from typing import Final

import zstandard

# Bytes of memory for the dictionary of a compressed section; compilers write windows of 8 MB at most.
MAX_WINDOW: Final = 64 << 20
_CHDR: Final = struct.Struct("<IIQQ")  # Elf64_Chdr: type, reserved, size, alignment
_ZLIB, _ZSTD = 1, 2  # ELFCOMPRESS_*
_OLD: Final = b"ZLIB"  # .zdebug_*: this, and the size as eight bytes in big-endian order
_OLD_HEADER: Final = 12


def expand(raw: bytes, limit: int) -> bytes:
    """The content of a section with SHF_COMPRESSED; empty where that is unknown or has more than `limit`.

    Raises ValueError where it is damaged.
    """
    if len(raw) < _CHDR.size:
        return b""
    kind, _, size, _ = _CHDR.unpack_from(raw)
    return _expand(kind, raw[_CHDR.size :], size, limit)


def expand_old(raw: bytes, limit: int) -> bytes:
    """The content of a section `.zdebug_*`, as GNU tools compressed until 2015; as `expand`."""
    if not raw.startswith(_OLD) or len(raw) < _OLD_HEADER:
        return raw
    return _expand(_ZLIB, raw[_OLD_HEADER:], int.from_bytes(raw[4:_OLD_HEADER], "big"), limit)


def expand_xz(raw: bytes, limit: int) -> bytes:
    """The content of an xz file; empty where it has more than `limit`. Raises ValueError where damaged."""
    try:
        unpacker = lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=MAX_WINDOW * 2)
        content = unpacker.decompress(raw, limit)
    except lzma.LZMAError as error:
        raise ValueError(f"damaged xz data: {error}") from error
    return content if unpacker.eof else b""


def _expand(kind: int, packed: bytes, size: int, limit: int) -> bytes:
    # A size of 0 is no limit to either library.
    if not 0 < size <= limit:
        return b""
    try:
        if kind == _ZLIB:
            return zlib.decompressobj().decompress(packed, size)
        if kind == _ZSTD:
            unpacker = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW)
            with unpacker.stream_reader(packed) as stream:
                return stream.read(size)
    except (zlib.error, zstandard.ZstdError) as error:
        raise ValueError(f"a damaged compressed section: {error}") from error
    return b""
