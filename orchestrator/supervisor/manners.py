"""How the workers of a server end, where nothing is wrong; each launcher states it of its own server."""

from __future__ import annotations

from typing import NamedTuple


class Manners(NamedTuple):
    """Regular ends of workers: exit statuses, and those after a request that was cut off."""

    clean: frozenset[int]
    cut_off: frozenset[int] = frozenset()
