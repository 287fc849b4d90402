"""Debian's packages of debug files, by name: which package has the debug file of a module.

dpkg lists the files of each package in /var/lib/dpkg/info. Debian builds the debug files of a package into
NAME-dbgsym, of an archive of their own; a few packages, the C library and Python, have a NAME-dbg instead.
"""

import re
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Final

from orchestrator.cores.sources import Source

LISTS: Final = PurePosixPath("/var/lib/dpkg/info")
_OWN: Final = (
    (re.compile(r"libc6"), "libc6-dbg"),
    (re.compile(r"(?:lib)?(python3\.\d+)(?:-minimal|-stdlib)?"), r"\1-dbg"),
)
"""Packages whose debug files Debian's maintainers put into a package of the main archive."""


def debug_packages(source: Source, paths: Iterable[str]) -> dict[str, str]:
    """The package with the debug files of each path, as far as a package has installed it."""
    wanted = {spelling: path for path in paths for spelling in _spellings(path)}
    found: dict[str, str] = {}
    if not wanted:
        return found
    for name, content in source.listings(LISTS, ".list"):
        # A system has half a million lines, and most lists have none of these paths in any line.
        if not any(spelling.encode(errors="replace") in content for spelling in wanted):
            continue
        for spelling in wanted.keys() & set(content.decode(errors="replace").splitlines()):
            found.setdefault(wanted[spelling], _debug_package(name.removesuffix(".list").partition(":")[0]))
    return found


def _debug_package(package: str) -> str:
    for pattern, name in _OWN:
        if match := pattern.fullmatch(package):
            return match.expand(name)
    return f"{package}-dbgsym"


def _spellings(path: str) -> tuple[str, ...]:
    """A path as the core has it and, where /lib is a link into /usr, as packages may have it."""
    return (path, path.removeprefix("/usr")) if path.startswith("/usr/lib") else (path,)
