"""Which disk is full when the error does not name it: a failed write to an open file has no path."""

import errno
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from orchestrator.adapters.cache import cache_folder
from orchestrator.errors import HostError

FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
LITTLE: Final = 1 << 20
"""Bytes below which a disk counts as full: what did not fit may have been larger than what is left."""
RESUME: Final = "continue with --resume"
HINT: Final = f"make room there, then {RESUME}"


def explained(error: OSError, *places: Path) -> HostError:
    """The error with a path: its own, or the full one of `places`, the cache and the temporary folder."""
    said, hint = error.strerror or str(error), HINT if error.errno in FULL else RESUME
    if error.filename:
        return HostError(f"{error.filename}: {said}", hint=hint)
    full = dict.fromkeys(str(place) for place in (*places, *_own()) if _is_full(place))
    if error.errno not in FULL or not full:
        return HostError(said, hint=hint)
    return HostError(f"{said}: {', '.join(full)}", hint=hint)


def _own() -> list[Path]:
    found = [Path(tempfile.gettempdir())]
    with suppress(HostError):
        found.append(cache_folder("."))
    return found


def _is_full(place: Path) -> bool:
    with suppress(OSError):
        return shutil.disk_usage(place).free < LITTLE
    return False
