"""A debuginfod server: debug files and programs by build id (debuginfod(8), the WEBAPI part).

A server is asked only if the user named one. Its files are untrusted and verified by build id.
"""

import hashlib
from typing import IO, Final, Literal

from orchestrator.adapters import http
from orchestrator.cores.sources import MAX_FILE
from orchestrator.errors import HostError

# Files that are asked for, for one core; a server on the internet takes a tenth of a second to answer that it
# has none.
MAX_ASKED: Final = 100
# Seconds for one file; libLLVM's debug file has a gigabyte.
SECONDS: Final = 300.0

Kind = Literal["debuginfo", "executable"]


class DebugServer:
    """One server; after its first failure it is not asked again, and `problems` says so."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._left = MAX_ASKED
        self.problems: list[str] = []

    def __str__(self) -> str:
        return http.shown(self._url)

    @property
    def key(self) -> str:
        """What its files are kept under: those of one server are no other's."""
        return hashlib.sha256(self._url.encode()).hexdigest()[:16]

    def copy(self, build_id: str, kind: Kind, target: IO[bytes]) -> bool:
        """Write a file of a build id to `target`; False where the server has none."""
        if not self._left:
            return False
        self._left -= 1
        if not self._left:
            self.problems.append(f"{self} was asked for {MAX_ASKED} files, and is not asked for more")
        url = f"{self._url}/buildid/{build_id}/{kind}"
        try:
            return http.fetch(url, target, limit=MAX_FILE, seconds=SECONDS)
        except HostError as error:
            self._left = 0
            self.problems.append(f"{self} is not asked for more debug files: {error.what}")
            return False
