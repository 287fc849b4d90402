"""Recipes of images, made from templates and file digests, each once however many cells share it."""

import hashlib
import json
import os
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import Final

from orchestrator.adapters.inside import open_inside, open_regular, resolve_inside
from orchestrator.errors import InputError, Location
from orchestrator.images.templates import fill
from orchestrator.launchers.launcher import Launcher
from orchestrator.model import Arch, Catalogue, ContextFile, ImageKind, ImageSpec

RECIPE: Final = 1
"""Part of every key. Raise it when the way of building changes the images, though their text stays."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RecipeBook:
    """The images that a project's cells need so far: `specs` by key, parents first.

    Templates and scripts are taken from the first of `folders` that has them; no file below the folder
    `project` is read through a link that leads out of it. Compilers run on `host`, the architecture that this
    machine runs without emulation.
    """

    catalogue: Catalogue
    project: Path
    folders: tuple[Path, ...]
    host: Arch
    specs: dict[str, ImageSpec] = field(default_factory=dict)
    _known: dict[tuple[Hashable, ...], ImageSpec] = field(default_factory=dict)
    _files: dict[tuple[Path, str], ContextFile] = field(default_factory=dict)
    _program_files: dict[tuple[Path, str], ContextFile] = field(default_factory=dict)
    _launcher_files: dict[str, tuple[ContextFile, ...]] = field(default_factory=dict)

    def once(self, what: tuple[Hashable, ...], make: Callable[[], ImageSpec]) -> ImageSpec:
        """The image of `what`, made at the first call: thousands of cells share a few images."""
        if what not in self._known:
            self._known[what] = make()
        return self._known[what]

    def dockerfile(
        self,
        role: str,
        template: str,
        arch: Arch,
        *,
        parents: Mapping[str, ImageSpec | None],
        files: Sequence[ContextFile],
        values: Mapping[str, str | None],
        pulls: str | None = None,
        templates: Path | None = None,
    ) -> ImageSpec:
        """An image made by a Dockerfile, whose template lies in `templates` or in `folders`.

        Its template sees the tag of each parent under the parent's name, and the parent's platform
        (`base_platform`) if that is not the host's.
        """
        tags = {name: spec.tag if spec else None for name, spec in parents.items()}
        platforms = {f"{name}_platform": self._foreign(spec) for name, spec in parents.items()}
        folders = (*((templates,) if templates else ()), *self.folders)
        text = fill(folders, template, {**tags, **platforms, **values}, self.project)
        keys = tuple(spec.key for spec in parents.values() if spec)
        return self.add(role, ImageKind.DOCKERFILE, arch, text, files=tuple(files), parents=keys, pulls=pulls)

    def without_network(self, spec: ImageSpec) -> ImageSpec:
        """The same image, whose build has no network."""
        self.specs[spec.key] = spec.model_copy(update={"offline": True})
        return self.specs[spec.key]

    def _foreign(self, spec: ImageSpec | None) -> str | None:
        return None if spec is None or spec.arch is self.host else spec.arch.platform

    def add(
        self,
        role: str,
        kind: ImageKind,
        arch: Arch,
        text: str,
        *,
        files: tuple[ContextFile, ...] = (),
        parents: tuple[str, ...] = (),
        pulls: str | None = None,
    ) -> ImageSpec:
        """The image of this text and these files; equal content gives the same image."""
        name = _slug(role)
        key = content_key(name, kind, arch, text, files)
        spec = ImageSpec(
            role=name, kind=kind, arch=arch, text=text, files=files, parents=parents, pulls=pulls, key=key
        )
        return self.specs.setdefault(key, spec)

    def takes(self, spec: ImageSpec, minutes: int | None) -> ImageSpec:
        """The image with the approximate duration of its build, which a run announces."""
        self.specs[spec.key] = spec.model_copy(update={"minutes": minutes})
        return self.specs[spec.key]

    def download(self, name: str, arch: Arch, version: str | None = None) -> ContextFile:
        """The pinned file of this name that runs on an architecture; raises InputError without one."""
        item = self.catalogue.download(name, arch, version)
        if item is None:
            title = f"{name} {version}" if version else name
            raise InputError(
                f"no file of {title} for {arch} is known", hint="add it to images/catalogue.yaml"
            )
        return ContextFile(name=item.filename, sha256=item.sha256, download=item)

    def part(self, path: str, name: str) -> ContextFile:
        """A file of the first of `folders` that has it, under its name in the build context."""
        found = [folder / path for folder in self.folders if os.path.lexists(folder / path)]
        place = found[0] if found else self.folders[-1] / path
        return (
            self.file(place, name) if place.is_relative_to(self.project) else self.program_file(place, name)
        )

    def file(self, path: Path, name: str) -> ContextFile:
        """A file of the project under its name in the build context.

        Raises InputError where it is not there, is no regular file or lies outside of the project's folder.
        """
        if (path, name) not in self._files:
            real = resolve_inside(path, self.project)
            with open_inside(real, self.project) as stream:
                self._files[path, name] = _digested(stream, real, name)
        return self._files[path, name]

    def program_file(self, path: Path, name: str) -> ContextFile:
        """A file of this program by its name in the build context; raises InputError if it is not there."""
        if (path, name) not in self._program_files:
            self._program_files[path, name] = _program_file(path, name)
        return self._program_files[path, name]

    def launcher_files(self, launcher: Launcher) -> tuple[ContextFile, ...]:
        """The supervisor with a launcher's container half; raises as `program_file` does."""
        if launcher.name not in self._launcher_files:
            self._launcher_files[launcher.name] = tuple(
                self.program_file(path, f"opt/{name}") for name, path in launcher.container_files().items()
            )
        return self._launcher_files[launcher.name]


def _program_file(path: Path, name: str) -> ContextFile:
    try:
        real = path.resolve(strict=True)  # an installer may have linked it into its place
        with open_regular(real) as stream:
            return _digested(stream, real, name)
    except OSError as error:
        raise InputError(
            f"the file cannot be read: {error.strerror}",
            where=Location(file=str(path)),
            hint="an image is made from it: put it back",
        ) from error


def content_key(role: str, kind: ImageKind, arch: Arch, text: str, files: Sequence[ContextFile]) -> str:
    """The sha256 of all that decides an image's content, in hex. Where the files lie does not."""
    listed = sorted((item.name, item.sha256, item.executable) for item in files)
    parts = {"recipe": RECIPE, "role": role, "kind": kind, "arch": arch, "text": text, "files": listed}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _slug(role: str) -> str:
    """A role as the engine allows it in an image's name; the key, not the name, tells images apart."""
    return re.sub(r"[^a-z0-9]+", "-", role.lower()).strip("-")


def _digested(stream: BufferedReader, path: Path, name: str) -> ContextFile:
    """An open file by its path, which has no links, under its name in the build context."""
    digest = hashlib.file_digest(stream, "sha256").hexdigest()
    executable = bool(os.fstat(stream.fileno()).st_mode & 0o100)
    return ContextFile(name=name, path=str(path), sha256=digest, executable=executable)
