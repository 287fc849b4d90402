"""The tar that the classic builder reads: equal inputs make equal bytes, so the builder's cache hits."""

import hashlib
import io
import os
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import IO, Final

from orchestrator.adapters.inside import open_regular
from orchestrator.adapters.network import ca_bundle
from orchestrator.errors import HostError
from orchestrator.images import cache, wheels
from orchestrator.model import ContextFile, ImageSpec, WheelTree

DOCKERFILE: Final = "Dockerfile"
HOST_CA: Final = "host-ca.crt"
"""The host's bundle of certificate authorities, for a Dockerfile that copies it into a stage with a network.

It is part of no key: it decides whether a build succeeds, never its result.
"""


def write(spec: ImageSpec, out: IO[bytes], stop: threading.Event) -> None:
    """Write the Dockerfile and its files, fetching those that are pinned downloads.

    Raises HostError for a file that has changed since the key was made.
    """
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        _add(tar, DOCKERFILE, io.BytesIO(spec.text.encode()), len(spec.text.encode()), executable=False)
        if HOST_CA in spec.text:
            bundle = ca_bundle()
            content = bundle.read_bytes() if bundle else b""
            _add(tar, HOST_CA, io.BytesIO(content), len(content), executable=False)
        for item in spec.files:
            if item.wheels is not None:
                _add_wheels(tar, item.name, item.wheels)
                continue
            if item.text is not None:
                content = item.text.encode()
                _add(tar, item.name, io.BytesIO(content), len(content), executable=False)
                continue
            with _opened(item, stop) as stream:
                size = os.fstat(stream.fileno()).st_size
                _add(tar, item.name, stream, size, executable=item.executable)


def _add_wheels(tar: tarfile.TarFile, name: str, tree: WheelTree) -> None:
    # A lock of no wheels is an empty folder.
    place = tarfile.TarInfo(name)
    place.type, place.mode = tarfile.DIRTYPE, 0o755
    tar.addfile(place)
    with wheels.installed(tree) as files:
        for file in files:
            with file.opened() as (stream, size):
                _add(tar, f"{name}/{file.name}", stream, size, executable=file.executable)


@contextmanager
def _opened(item: ContextFile, stop: threading.Event) -> Iterator[BufferedReader]:
    """A file of a context. Its digest is that of the open file, so that what is sent is what was planned."""
    path = cache.fetch(item.download, stop) if item.download is not None else Path(item.path or "")
    try:
        stream = open_regular(path)
    except OSError as error:
        raise HostError(f"{path} cannot be read: {error.strerror}", hint="start a new run") from error
    with stream:
        if hashlib.file_digest(stream, "sha256").hexdigest() != item.sha256:
            raise HostError(f"{path} changed during the run", hint="start a new run")
        stream.seek(0)
        yield stream


def _add(tar: tarfile.TarFile, name: str, content: IO[bytes], size: int, *, executable: bool) -> None:
    info = tarfile.TarInfo(name)
    info.size = size
    info.mode = 0o755 if executable else 0o644
    tar.addfile(info, content)
