"""Shards of a plan: each a set of images with all their cells, and each about as long as the others.

What images are built from is built by each shard that needs it. Images therefore lie in the order of their
architecture, C library, Python and launcher, which shards cut into pieces.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Final

ROUNDS: Final = 40
"""How often the cuts are moved at most; four shards are even after about ten."""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """An image with its cells: the seconds of those, and of each build that they need, by image."""

    seconds: float
    builds: Sequence[tuple[Hashable, float]]


def cut(pieces: Sequence[Piece], count: int) -> list[int]:
    """Where each of `count` shards begins and the last one ends, as numbers of pieces; deterministic.

    There are at least as many pieces as shards, and no shard is empty.
    """
    size = len(pieces)
    cuts = [number * size // count for number in range(count + 1)]
    for _ in range(ROUNDS):
        before = list(cuts)
        for number in range(1, count):
            cuts[number] = _even(pieces, cuts[number - 1], cuts[number + 1])
        if cuts == before:
            break
    return cuts


def seconds(pieces: Sequence[Piece]) -> float:
    """How long cells and builds of these take, one after another; an image is built once."""
    return sum(piece.seconds for piece in pieces) + sum(builds(pieces).values())


def builds(pieces: Sequence[Piece]) -> dict[Hashable, float]:
    """What is built for these, each image once, with its seconds."""
    return {image: time for piece in pieces for image, time in piece.builds}


def _even(pieces: Sequence[Piece], start: int, end: int) -> int:
    """Where a cut makes both sides as equal as they get."""
    left = [0.0, *_growing(pieces[start:end])]
    right = [*reversed([0.0, *_growing(pieces[start:end][::-1])])]
    places = range(1, end - start)
    return start + min(places, key=lambda place: (abs(left[place] - right[place]), place))


def _growing(pieces: Sequence[Piece]) -> list[float]:
    """How long the first pieces take: one, two and so on."""
    known: set[Hashable] = set()
    total, found = 0.0, []
    for piece in pieces:
        new = dict(item for item in piece.builds if item[0] not in known)
        known.update(new)
        total += piece.seconds + sum(new.values())
        found.append(total)
    return found
