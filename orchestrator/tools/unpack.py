"""Cores as they are stored, compressed, to plain ones that can be mapped."""

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import zstandard

from orchestrator.errors import CoreError

ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
MAX_BYTES: Final = 8 << 30
"""Bytes that a core may unpack to; a few kB of zstd can hold any number of them."""
CHUNK: Final = 1 << 20


@contextmanager
def plain_core(path: Path, *, limit: int = MAX_BYTES) -> Generator[Path]:
    """A core as a plain file: itself, or unpacked to a temporary one that is removed afterwards.

    zstd is told by its magic number, not by its name. Raises CoreError where it is damaged or unpacks
    to more than `limit` bytes.
    """
    with path.open("rb") as stream:
        packed = stream.read(len(ZSTD_MAGIC)) == ZSTD_MAGIC
    if not packed:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="crashmatrix-core-") as folder:
        target = Path(folder) / "core"
        _unpack(path, target, limit)
        yield target


def _unpack(source: Path, target: Path, limit: int) -> None:
    try:
        with source.open("rb") as packed, target.open("wb") as plain:
            for chunk in zstandard.ZstdDecompressor().read_to_iter(packed, write_size=CHUNK):
                plain.write(chunk)
                if plain.tell() > limit:
                    raise CoreError(f"{source.name} unpacks to more than {limit} bytes",
                                    mend="give the core unpacked, if it is meant to be so large")  # fmt: skip
    except zstandard.ZstdError as error:
        raise CoreError(f"{source.name} is damaged: {error}", mend="collect the core again") from error
