"""A source distribution that is fetched from an index and unpacked. No code of it runs here."""

from __future__ import annotations

__lazy_modules__ = ("orchestrator.packages", "packaging")

import hashlib
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from packaging import requirements

from orchestrator.adapters import http, uv
from orchestrator.adapters.cache import cache_folder
from orchestrator.errors import HostError, InputError
from orchestrator.packages import bounded, index

SUFFIX: Final = ".tar.gz"
"""The one kind that PEP 625 allows."""
MOST_MEMBERS: Final = 100_000
LARGEST: Final = 1 << 30
"""Bytes of all files of one."""


@dataclass(frozen=True, kw_only=True)
class Unpacked:
    """An unpacked source distribution."""

    version: str
    folder: Path


def newest(requirement: str, project: Path, into: Path) -> Unpacked | None:
    """The newest source distribution that a requirement allows, unpacked; None where there is none.

    Raises HostError where the index or the archive cannot be read, InputError where no index has the package.
    """
    wanted = requirements.Requirement(requirement)
    indexes = index.indexes_of(project)
    files = index.files_of(wanted.name, indexes)
    if files is None:
        raise InputError(f"no index has a package {wanted.name}", hint="correct its name")
    known = [
        item
        for item in files
        if item.filename.endswith(SUFFIX) and not item.yanked and item.version in wanted.specifier
    ]
    if not known:
        return None
    best = max(known, key=lambda item: item.version)
    return Unpacked(version=str(best.version), folder=unpack(_fetched(best), into))


def _fetched(file: index.IndexFile) -> Path:
    """The archive in the cache, its digest checked where the index states one."""
    if file.url is None:
        raise HostError(f"the index has no address of {file.filename}", hint="use --source DIR")
    path = cache_folder("sdists") / f"{(file.sha256 or 'unknown')[:16]}-{file.filename}"
    if not path.exists() or (file.sha256 and _digest(path) != file.sha256):
        path.unlink(missing_ok=True)
        partial = path.with_name(f"{path.name}.part")
        try:
            http.download(file.url, partial, threading.Event())
        except HostError as error:
            what = f"{uv.without_credentials(file.url)} could not be fetched"
            raise HostError(what, hint=error.hint) from error
        if file.sha256 and _digest(partial) != file.sha256:
            partial.unlink()
            raise HostError(f"{file.filename} is not what the index states by its digest", hint="try again")
        partial.replace(path)
    return path


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def unpack(archive: Path, into: Path) -> Path:
    """Unpack an archive, which is untrusted; returns its one folder. Raises HostError."""
    room, count = LARGEST, 0
    try:
        with bounded.open_tar(archive) as stream:
            for member in stream:
                room, count = room - member.size, count + 1
                if room < 0 or count > MOST_MEMBERS:
                    raise HostError(f"{archive.name} is larger than 1 GiB unpacked", hint="use --source DIR")
                if member.isfile() or member.isdir():
                    stream.extract(member, into, set_attrs=False, filter="data")
    except bounded.ERRORS as error:
        raise HostError(f"{archive.name} cannot be unpacked: {error}", hint="use --source DIR") from error
    folders = [path for path in into.iterdir() if path.is_dir()]
    return folders[0] if len(folders) == 1 else into
