"""An image's files on disk, for a person to read: recipe, digests of its inputs, packages, log."""

import shlex
from pathlib import Path
from typing import Final

from orchestrator.adapters.cache import cache_folder
from orchestrator.adapters.files import write_atomically, write_below
from orchestrator.adapters.inside import open_regular
from orchestrator.model import ImageKind, ImageSpec

LOG: Final = "build.log"
SECONDS: Final = "build.seconds"
RECIPE: Final = {
    ImageKind.DOCKERFILE: "Dockerfile",
    ImageKind.ROOTFS: "mmdebstrap.sh",
    ImageKind.EMPTY: "image.txt",
}
FILES: Final = "context.sha256"
REQUIREMENTS: Final = "requirements.txt"
PACKAGES: Final = "packages.txt"
KEPT: Final = "packages"


def render(spec: ImageSpec, folder: Path) -> Path:
    """Write an image's recipe to its own folder under `folder`, and return that.

    Beside the Dockerfile (or mmdebstrap.sh) lies context.sha256, which sha256sum checks in a build
    context, and requirements.txt, the wheels that uv installs for it. packages.txt lists a root
    filesystem's packages, once it was built on this host.
    """
    _put(folder, f"{spec.folder}/{RECIPE[spec.kind]}", _text(spec))
    lines = [f"{item.sha256}  {item.name}\n" for item in spec.files if item.wheels is None]
    if lines:
        _put(folder, f"{spec.folder}/{FILES}", "".join(lines))
    for item in spec.files:
        if item.wheels:
            _put(folder, f"{spec.folder}/{REQUIREMENTS}", item.wheels.lock.text)
    known = _cached_packages(spec)
    if spec.kind is ImageKind.ROOTFS and known.is_file():
        _put(folder, f"{spec.folder}/{PACKAGES}", known.read_text(encoding="utf-8"))
    return folder / spec.folder


def _put(folder: Path, name: str, text: str) -> None:
    """Write a file unless its content is there already: a large matrix has thousands, mostly unchanged."""
    content = text.encode()
    try:
        with open_regular(folder / name) as stream:
            if stream.read(len(content) + 1) == content:
                return
    except OSError:
        pass  # it is not there
    write_below(folder, name, text)


def keep_packages(spec: ImageSpec, folder: Path, packages: str) -> None:
    """Keep the package list of a root filesystem in the cache, for later runs, and beside its recipe."""
    write_atomically(_cached_packages(spec), packages)
    write_below(folder, f"{spec.folder}/{PACKAGES}", packages)


def keep_seconds(spec: ImageSpec, folder: Path, seconds: float) -> None:
    """Keep how long the build of an image took beside its recipe: later nights balance shards by it."""
    write_below(folder, f"{spec.folder}/{SECONDS}", f"{seconds:.1f}")


def _cached_packages(spec: ImageSpec) -> Path:
    return cache_folder(KEPT) / f"{spec.key}.txt"


def _text(spec: ImageSpec) -> str:
    if spec.kind is not ImageKind.ROOTFS:
        return spec.text
    args = " \\\n    ".join(shlex.quote(arg) for arg in [*shlex.split(spec.text), "rootfs.tar"])
    return f"#!/bin/sh\n# Then loaded into the engine as {spec.tag}\n{args}\n"
