"""The tar that the classic builder reads: equal inputs make equal bytes, so the builder's cache hits."""

import io
import tarfile
import threading
from pathlib import Path
from typing import IO, Final

from orchestrator.adapters.network import ca_bundle
from orchestrator.errors import HostError
from orchestrator.images import cache
from orchestrator.model import ContextFile, ImageSpec

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
            path = _path(item, stop)
            with path.open("rb") as stream:
                _add(tar, item.name, stream, path.stat().st_size, executable=item.executable)


def _path(item: ContextFile, stop: threading.Event) -> Path:
    if item.download is not None:
        return cache.fetch(item.download, stop)
    path = Path(item.path or "")
    if cache.digest(path) != item.sha256:
        raise HostError(f"{path} changed during the run", hint="start a new run")
    return path


def _add(tar: tarfile.TarFile, name: str, content: IO[bytes], size: int, *, executable: bool) -> None:
    info = tarfile.TarInfo(name)
    info.size = size
    info.mode = 0o755 if executable else 0o644
    tar.addfile(info, content)
