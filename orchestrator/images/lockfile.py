"""images/lock.yaml: the one place where the contents of all downloads are pinned, and how it is written."""

__lazy_modules__ = ("orchestrator.images",)

import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pydantic import Field

from orchestrator.adapters import yamlfile
from orchestrator.adapters.cache import cache_folder
from orchestrator.adapters.files import write_atomically
from orchestrator.adapters.yamlfile import Document
from orchestrator.errors import CrashmatrixError, HostError, InputError
from orchestrator.images import cache, download
from orchestrator.model import CatalogueParts, Download, ImagePin, Lock, Pin, Wanted
from orchestrator.scratch import scratch_folder

LOCK: Final = "lock.yaml"
COMMAND: Final = "crashmatrix images lock"
HEAD: Final = f"# Written by `{COMMAND}` from catalogue.yaml. What is fetched must have these digests.\n"
SCRATCH: Final = "scratch"


class LockFile(Lock):
    """The file as it is written."""

    schema_version: Literal[1] = Field(alias="schema")


def read(folder: Path) -> Document[LockFile] | None:
    """Read the lock beside the catalogue; None where there is none. Raises InputError."""
    path = folder / LOCK
    return yamlfile.read(path, LockFile, root=folder.parent) if os.path.lexists(path) else None


def write(folder: Path, lock: Lock) -> Path:
    """Write the lock beside the catalogue; returns its path."""
    content = {"schema": 1} | lock.model_dump(mode="json", exclude_defaults=True)
    path = folder / LOCK
    write_atomically(path, HEAD + yamlfile.dump(content))
    return path


def joined(wanted: Sequence[Wanted], document: Document[LockFile] | None) -> tuple[Download, ...]:
    """Every wanted file with its pin; raises InputError for a missing or superfluous pin."""
    lock: Lock = document.value if document else Lock()
    hint = f"run `{COMMAND}`"
    found = []
    for item in wanted:
        pin = lock.pin(item)
        if pin is None:
            where = document.where("downloads") if document else None
            raise InputError(f"{item.title} is not pinned in images/{LOCK}", where=where, hint=hint)
        found.append(Download(wanted=item, pin=pin))
    for index, pin in enumerate(lock.downloads):
        if document and not any(pin.is_of(item) for item in wanted):
            raise InputError(
                f"images/catalogue.yaml no longer wants {pin.name} {pin.version}",
                where=document.where("downloads", index),
                hint=hint,
            )
    return tuple(found)


@dataclass(frozen=True, kw_only=True)
class Locked:
    """A lock, and what could not be pinned."""

    lock: Lock
    failures: tuple[CrashmatrixError, ...]


def pin_all(
    wanted: Sequence[Wanted], lock: Lock, stop: threading.Event, say: Callable[[str], None]
) -> Locked:
    """Pin these files. Known pins are kept, since a version's content never changes.

    Each new one is fetched into the cache and its digest taken; one that cannot be had stops no other.
    """
    pins: list[Pin] = []
    failures: list[CrashmatrixError] = []
    for item in wanted:
        pin = lock.pin(item)
        try:
            if pin is None:
                pin = _pin(item, stop)
                say(f"pinned {item.title}: {pin.filename}, sha256 {pin.sha256}")
            pins.append(pin)
        except CrashmatrixError as error:
            failures.append(error)
            say(f"not pinned: {item.title}: {error}")
    return Locked(lock=Lock(downloads=tuple(pins), images=lock.images), failures=tuple(failures))


def pin_images(
    catalogue: CatalogueParts, lock: Lock, resolve: Callable[[str], str], say: Callable[[str], None]
) -> Locked:
    """Pin the current digests of the registries' tags; `resolve` asks a registry, and may raise HostError.

    If a registry does not answer, the earlier pin stays.
    """
    known = {(pin.image, pin.tag): pin for pin in lock.images}
    pins: list[ImagePin] = []
    failures: list[CrashmatrixError] = []
    for image, tag in _tagged(catalogue):
        old = known.get((image, tag))
        try:
            pin = ImagePin(image=image, tag=tag, digest=resolve(f"{image}:{tag}"))
        except HostError as error:
            failures.append(error)
            say(f"not resolved: {image}:{tag}{' (its old pin stays)' if old else ''}: {error}")
            pins += [old] if old else []
            continue
        if pin != old:
            say(f"pinned {image}:{tag}: {pin.digest}")
        pins.append(pin)
    return Locked(lock=lock.model_copy(update={"images": tuple(pins)}), failures=tuple(failures))


def _tagged(catalogue: CatalogueParts) -> list[tuple[str, str]]:
    """The images and tags that the catalogue's bases name, each once."""
    images = [base.registry for base in catalogue.bases if base.registry]
    return list(dict.fromkeys((image, item.tag) for item in images for image in item.images.values()))


def _pin(item: Wanted, stop: threading.Event) -> Pin:
    with scratch_folder("lock", cache_folder(SCRATCH)) as folder:
        path = download.obtain(item, None, folder / "files", stop)
        sha256 = cache.keep(path)
        return Pin(name=item.name, version=item.version, arch=item.arch, filename=path.name, sha256=sha256)
