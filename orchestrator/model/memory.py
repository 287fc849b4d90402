"""The memory limit of a cell's container: how it is written, and how it is said."""

import re
from typing import Final

MIB: Final = 1 << 20
GIB: Final = 1 << 30
DEFAULT_MEMORY: Final = GIB
"""Bytes where a scenario states none."""
LEAST_MEMORY: Final = 64 * MIB
"""Bytes that the supervisor and a small program run in."""
MOST_MEMORY: Final = 1024 * GIB
MEMORY_PATTERN: Final = r"^[1-9][0-9]{0,6} ?[MG]iB$"
_UNITS: Final = {"MiB": MIB, "GiB": GIB}


def parse_memory(text: str) -> int:
    """The bytes of a text such as `512MiB` or `4GiB`; raises ValueError for any other text.

    The units are named in full: a `4GB` may mean either 4e9 bytes or 4 GiB.
    """
    if not re.fullmatch(MEMORY_PATTERN, text):
        raise ValueError("not a size")
    return int(text[:-3]) * _UNITS[text[-3:]]


def memory_words(size: int) -> str:
    """A size for people: `4 GiB`, `1536 MiB`."""
    return f"{size // GIB} GiB" if size % GIB == 0 else f"{size // MIB} MiB"


def over_memory(size: int) -> str:
    """Why the kernel ended a process of a container with this limit, and what to change."""
    return f"killed by the kernel, over its memory limit of {memory_words(size)}; raise it with `memory:`"


def memory_flag(size: int) -> str:
    """A size as the engine's `--memory` takes it: `4g`, `1536m`."""
    return f"{size // GIB}g" if size % GIB == 0 else f"{size // MIB}m"
