"""The files of a project that images are built from, carried to hosts that have no copy of the project.

A recipe names them by digest. A host keeps them in its cache under that digest, and builds from there; what a
recipe fetches (packages of an index, pinned downloads) each host fetches itself.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from orchestrator.adapters.cache import cache_folder
from orchestrator.adapters.files import write_bytes
from orchestrator.adapters.inside import open_regular
from orchestrator.errors import HostError
from orchestrator.model import ContextFile, ImageSpec, LocalFile, LockedWheel

FILES: Final = "fleet-files"
MOST: Final = 512 << 20
"""Bytes of one file that is carried; a larger one is exchanged in its image, by `--registry`."""


def chain(specs: Mapping[str, ImageSpec], key: str) -> tuple[ImageSpec, ...]:
    """An image with all that it is built on, parents first."""
    found: dict[str, ImageSpec] = {}

    def add(name: str) -> None:
        if name not in found:
            for parent in specs[name].parents:
                add(parent)
            found[name] = specs[name]

    add(key)
    return tuple(found.values())


def carried(specs: Sequence[ImageSpec]) -> dict[str, Path]:
    """The files that only this machine has, by digest."""
    return {digest: path for spec in specs for item in spec.files for digest, path in _carried(item)}


def _carried(item: ContextFile) -> Iterator[tuple[str, Path]]:
    if item.download is not None:
        if isinstance(item.download.wanted, LocalFile):
            yield item.sha256, Path(item.download.wanted.path)
    elif item.wheels is not None:
        yield from (
            (wheel.sha256, Path(wheel.place or "")) for wheel in item.wheels.lock.ready if _local(wheel)
        )
    elif item.path is not None:
        yield item.sha256, Path(item.path)


def read(path: Path, digest: str) -> bytes:
    """The content of a file to carry; raises HostError where it has changed or is too large."""
    try:
        with open_regular(path) as stream:
            content = stream.read(MOST + 1)
    except OSError as error:
        raise HostError(f"{path} cannot be read: {error.strerror}", hint="start a new run") from error
    if len(content) > MOST:
        raise HostError(f"{path} is larger than {MOST >> 20} MiB", hint="build once, and use --registry")
    if hashlib.sha256(content).hexdigest() != digest:
        raise HostError(f"{path} changed during the run", hint="start a new run")
    return content


def keep(content: bytes, digest: str) -> None:
    """Keep a file that was sent; raises HostError where it has another digest."""
    if hashlib.sha256(content).hexdigest() != digest:
        raise HostError(f"a file that was sent has not the digest {digest}", hint="start a new run")
    write_bytes(_place(digest), content)


def missing(specs: Sequence[ImageSpec]) -> tuple[str, ...]:
    """The digests of carried files that this host lacks."""
    return tuple(digest for digest in carried(specs) if not _place(digest).is_file())


def placed(spec: ImageSpec, folder: Path) -> ImageSpec:
    """A specification with the paths of this host; uv looks for its configuration in `folder`."""
    return spec.model_copy(update={"files": tuple(_placed(item, folder) for item in spec.files)})


def _placed(item: ContextFile, folder: Path) -> ContextFile:
    if item.download is not None:
        if not isinstance(item.download.wanted, LocalFile):
            return item
        wanted = item.download.wanted.model_copy(update={"path": str(_place(item.sha256))})
        return item.model_copy(update={"download": item.download.model_copy(update={"wanted": wanted})})
    if item.wheels is not None:
        wheels = tuple(_placed_wheel(wheel) for wheel in item.wheels.lock.wheels)
        lock = item.wheels.lock.model_copy(update={"wheels": wheels})
        tree = item.wheels.model_copy(update={"lock": lock, "folder": str(folder)})
        return item.model_copy(update={"wheels": tree})
    return item if item.path is None else item.model_copy(update={"path": str(_place(item.sha256))})


def _placed_wheel(wheel: LockedWheel) -> LockedWheel:
    """A wheel by its own name, which installers read."""
    if not _local(wheel):
        return wheel
    named = _place(wheel.sha256).with_name(wheel.sha256[:16]) / wheel.filename
    if not named.is_file() and _place(wheel.sha256).is_file():
        write_bytes(named, _place(wheel.sha256).read_bytes())
    return wheel.model_copy(update={"place": str(named)})


def _local(wheel: LockedWheel) -> bool:
    return wheel.place is not None and "://" not in wheel.place


def _place(digest: str) -> Path:
    return cache_folder(FILES) / digest
