"""The wheels that an environment can install, in order of preference (PEP 425, PEP 600)."""

from functools import lru_cache
from typing import Final

from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from orchestrator.model import WheelPlatform

LEGACY: Final = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
"""Older names of manylinux platforms, by the minor version of their glibc."""
OLDEST: Final = {"x86_64": 5, "arm64": 17}
"""The first manylinux platform of an architecture."""


@lru_cache(maxsize=256)
def ranks(platform: WheelPlatform) -> dict[Tag, int]:
    """The tags that an environment accepts, with their ranks: 0 is the best."""
    series, platforms = platform.series, platform_tags(platform)
    interpreter = "cp{}{}".format(*series)
    abis = [f"{interpreter}t"] if platform.free_threaded else None
    found = [
        *cpython_tags(series, abis=abis, platforms=platforms),
        *compatible_tags(series, interpreter, platforms),
    ]
    return {tag: rank for rank, tag in reversed(list(enumerate(found)))}


def platform_tags(platform: WheelPlatform) -> list[str]:
    """The platform tags that an environment accepts, the best first."""
    machine = platform.arch.gnu
    found = []
    for minor in range(platform.minor_glibc, OLDEST[platform.arch] - 1, -1):
        found.append(f"manylinux_2_{minor}_{machine}")
        if minor in LEGACY:
            found.append(f"{LEGACY[minor]}_{machine}")
    return [*found, f"linux_{machine}"]


def wheel_rank(filename: str, platform: WheelPlatform) -> tuple[int, int] | None:
    """How much an environment prefers a wheel, the lowest first; None if it cannot install it."""
    try:
        _, _, build, tags = parse_wheel_filename(filename)
    except InvalidWheelFilename:
        return None
    known = ranks(platform)
    best = min((known[tag] for tag in tags if tag in known), default=None)
    return None if best is None else (best, -(build[0] if build else 0))
