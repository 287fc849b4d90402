"""Files of containers, running or not: read one by one, or as a whole folder. All of them are untrusted."""

from __future__ import annotations

__lazy_modules__ = ("docker",)

import errno
import tarfile
import tempfile
from collections.abc import Iterator
from typing import IO, Final

import docker

from orchestrator.adapters import room
from orchestrator.adapters.engine.calls import engine_errors, is_no_path, retried
from orchestrator.adapters.engine.connection import Connection

FETCH_LIMIT: Final = 1 << 31
"""The most bytes that one fetch reads from a container by default."""


class ContainerFiles(Connection):
    """The files of the engine's containers."""

    def link_target(self, container: str, path: str) -> str | None:
        """The final target of a link inside the container; None if the path is no link.

        Raises FileNotFoundError where the path does not exist in the container.
        """
        with engine_errors(f"looking at {path}"):
            try:
                stream, stat = retried(self._api.get_archive)(container, path)
            except docker.errors.NotFound as error:
                raise FileNotFoundError(path) from error
            stream.close()
        return str(stat["linkTarget"]) or None

    def fetch(
        self, container: str, path: str, *, limit: int = FETCH_LIMIT
    ) -> Iterator[tuple[tarfile.TarInfo, IO[bytes]]]:
        """The regular files at or under a path of a container, running or not, with their content.

        Names are relative to the path's parent, as in `docker cp`. They come from the container and
        are untrusted: never join them to a host path unchecked. Raises FileNotFoundError, and OSError
        (EFBIG) where there are more than `limit` bytes.
        """
        with tempfile.SpooledTemporaryFile(max_size=1 << 24) as spool:
            with engine_errors(f"fetching {path}"):
                try:
                    stream, _ = retried(self._api.get_archive)(container, path)
                except docker.errors.APIError as error:
                    if isinstance(error, docker.errors.NotFound) or is_no_path(error):
                        raise FileNotFoundError(path) from error
                    raise
                for chunk in stream:
                    self._keep(chunk, spool)
                    if spool.tell() > limit:
                        raise OSError(errno.EFBIG, f"more than {limit} bytes", path)
            spool.seek(0)
            with tarfile.open(fileobj=spool) as tar:
                for member in tar:
                    if member.isreg() and (content := tar.extractfile(member)):
                        yield member, content

    @staticmethod
    def _keep(chunk: bytes, spool: IO[bytes]) -> None:
        """Write to a temporary file; an OSError of that file must not look like one of the fetched file."""
        try:
            spool.write(chunk)
        except OSError as error:
            raise room.explained(error) from error

    def write_archive(self, container: str, path: str, out: IO[bytes]) -> None:
        """Write a folder of a container with all in it, links too, as a tar; raises FileNotFoundError."""
        with engine_errors(f"fetching {path}"):
            try:
                stream, _ = retried(self._api.get_archive)(container, path)
            except docker.errors.NotFound as error:
                raise FileNotFoundError(path) from error
            for chunk in stream:
                self._keep(chunk, out)
