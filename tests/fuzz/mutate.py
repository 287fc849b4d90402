"""Mutations of real files, equal for equal seeds, so that a failure can be repeated."""

import random
import struct
from collections.abc import Callable
from typing import Final

INTERESTING: Final = (
    0, 1, 2, 7, 8, 0x7F, 0x80, 0xFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 40,
    (1 << 47) - 1, 1 << 47, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, (1 << 64) - 8,
)  # fmt: skip
HEAD: Final = 8192
"""Headers, and of small cores the notes, lie in the first bytes: half of the mutations go there."""

Mutation = Callable[[random.Random, bytearray], None]


def mutate(rng: random.Random, data: bytes) -> bytes:
    """One to sixteen mutations of a file."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 3, 5, 16))):
        if changed:
            rng.choice(MUTATIONS)(rng, changed)
    return bytes(changed)


def _place(rng: random.Random, data: bytearray, size: int = 1) -> int:
    end = max(1, len(data) - size)
    return rng.randrange(min(end, HEAD) if rng.random() < 0.5 else end)


def _flip(rng: random.Random, data: bytearray) -> None:
    data[_place(rng, data)] ^= 1 << rng.randrange(8)


def _byte(rng: random.Random, data: bytearray) -> None:
    data[_place(rng, data)] = rng.randrange(256)


def _number(rng: random.Random, data: bytearray) -> None:
    """An interesting number in a place where a field may be."""
    size = rng.choice((2, 4, 8))
    at = _place(rng, data, size) // size * size
    value = rng.choice(INTERESTING) & (1 << 8 * size) - 1
    data[at : at + size] = value.to_bytes(size, "little")[: len(data) - at]


def _nudge(rng: random.Random, data: bytearray) -> None:
    """A number that is a little more or less than it was."""
    at = _place(rng, data, 8) // 8 * 8
    if len(data) - at >= 8:
        (value,) = struct.unpack_from("<Q", data, at)
        struct.pack_into("<Q", data, at, (value + rng.choice((-4096, -8, -1, 1, 8, 4096))) % (1 << 64))


def _cut(rng: random.Random, data: bytearray) -> None:
    del data[rng.randrange(len(data)) :]


def _clear(rng: random.Random, data: bytearray) -> None:
    at = _place(rng, data)
    size = min(rng.choice((4, 16, 64, 4096)), len(data) - at)
    data[at : at + size] = bytes([rng.choice((0, 0xFF))]) * size


def _repeat(rng: random.Random, data: bytearray) -> None:
    """A row of a table once more over another: overlapping segments, chains in circles."""
    size = rng.choice((8, 16, 24, 56, 64))
    source, target = _place(rng, data, size), _place(rng, data, size)
    chunk = data[source : source + size]
    data[target : target + len(chunk)] = chunk


MUTATIONS: Final[tuple[Mutation, ...]] = (_flip, _byte, _number, _number, _nudge, _cut, _clear, _repeat)
