"""images/catalogue.yaml, every base, interpreter, language and download of a plan, and its lock.yaml."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from pydantic import Field

from orchestrator.adapters import yamlfile
from orchestrator.adapters.inside import resolve_inside
from orchestrator.adapters.suggest import nearest
from orchestrator.adapters.yamlfile import Document
from orchestrator.errors import HostError, InputError, Location
from orchestrator.images import lockfile
from orchestrator.model import Arch, Catalogue, CatalogueParts, LocalFile, Lock, Wanted


class CatalogueFile(CatalogueParts):
    """The file as it is written."""

    schema_version: Literal[1] = Field(alias="schema")
    downloads: tuple[Wanted, ...]


def load_catalogue(path: Path) -> Catalogue:
    """Load and check images/catalogue.yaml of a project and its lock.

    Raises InputError with file, line and column.
    """
    parts = read_catalogue(path)
    document = lockfile.read(path.parent)
    downloads = lockfile.joined(wanted_files(parts, path), document)
    fields = {name: getattr(parts, name) for name in CatalogueParts.model_fields}
    images = document.value.images if document else ()
    # All parts are valid already; to build another validator takes longer than to read the file.
    return Catalogue.model_construct(**fields, downloads=downloads, images=images)


def read_catalogue(path: Path) -> CatalogueFile:
    """Read and check the catalogue alone, for its lock to be made; raises InputError."""
    document = yamlfile.read(path, CatalogueFile, root=path.parents[1])
    _check_bases(document)
    _check_downloads(document)
    _check_interpreters(document)
    return document.value


def wanted_files(catalogue: CatalogueFile, path: Path) -> tuple[Wanted, ...]:
    """The downloads of images/catalogue.yaml, each local file with its path from here.

    Raises InputError for one that lies outside of the project's folder. A missing one may be in the cache.
    """
    return tuple(
        item.model_copy(update={"path": str(_local(path, item))}) if isinstance(item, LocalFile) else item
        for item in catalogue.downloads
    )


def _local(catalogue: Path, item: LocalFile) -> Path:
    place, project = catalogue.parent / item.path, catalogue.parents[1]
    if not os.path.lexists(place):
        return place
    return resolve_inside(place, project, Location(file=yamlfile.shown(catalogue)))


def lock_catalogue(
    path: Path, resolve: Callable[[str], str] | None, stop: threading.Event, say: Callable[[str], None]
) -> Path:
    """Pin what the catalogue wants in the lock beside it; returns the lock's path.

    `resolve` asks a registry for the digest of a tag; None leaves what is pinned of images alone.

    Raises InputError for a wrong file; HostError after all else is pinned if something could not be, which
    `say` has reported.
    """
    parts = read_catalogue(path)
    known = lockfile.read(path.parent)
    locked = lockfile.pin_all(wanted_files(parts, path), known.value if known else Lock(), stop, say)
    failures = locked.failures
    if resolve:
        locked = lockfile.pin_images(parts, locked.lock, resolve, say)
        failures += locked.failures
    place = lockfile.write(path.parent, locked.lock)
    if failures:
        raise HostError(f"{len(failures)} could not be pinned", hint=f"then run `{lockfile.COMMAND}` again")
    return place


def _check_bases(document: Document[CatalogueFile]) -> None:
    seen: dict[tuple[str, Arch], str] = {}
    for index, base in enumerate(document.value.bases):
        for arch in base.arches:
            other = seen.setdefault((base.glibc, arch), base.name)
            if other != base.name:
                raise InputError(
                    f"{other} and {base.name} both bring glibc {base.glibc} for {arch}",
                    where=document.where("bases", index, "glibc"),
                    hint="keep one: a cell's glibc must name one base",
                )
    suites = {base.debian.suite for base in document.value.bases if base.debian}
    if document.value.builder_suite not in suites:
        raise InputError(
            f"no base is made from the builder's suite {document.value.builder_suite!r}",
            where=document.where("builder_suite"),
            hint=nearest(document.value.builder_suite, suites),
        )


def _check_downloads(document: Document[CatalogueFile]) -> None:
    seen: set[tuple[str, str, Arch | None]] = set()
    for index, item in enumerate(document.value.downloads):
        if (item.name, item.version, item.arch) in seen:
            raise InputError(
                f"{item.title} stands here twice",
                where=document.where("downloads", index),
                hint="keep one of the two",
            )
        seen.add((item.name, item.version, item.arch))


def _check_interpreters(document: Document[CatalogueFile]) -> None:
    sources = {(item.name, item.version) for item in document.value.downloads}
    seen: set[tuple[str, Arch]] = set()
    for index, python in enumerate(document.value.interpreters):
        place = document.where("interpreters", index)
        its = {(python.version, arch) for arch in python.arches}
        if seen & its:
            raise InputError(f"CPython {python.version} stands here twice", where=place, hint="keep one")
        seen |= its
        if (python.source, python.source_version) not in sources:
            raise InputError(
                f"no file of {python.source} {python.source_version} is in the catalogue's downloads",
                where=place,
                hint="add it there, then run `crashmatrix images lock`",
            )
