"""From a cell to the chain of images under it: base, builder, probe, server, cell.

Keys are fixed here, from text and digests alone; no engine is asked and nothing is fetched.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from orchestrator.errors import InputError, Location
from orchestrator.images import rootfs
from orchestrator.images.templates import fill
from orchestrator.model import (
    Arch,
    Base,
    Catalogue,
    Cell,
    ContextFile,
    ImageKind,
    ImageSpec,
    ProbeSource,
    Scenario,
)

RECIPE: Final = 1
"""Part of every key. Raise it when the way of building changes the images, though their text stays."""


def specs_for(
    cell: Cell, scenario: Scenario, catalogue: Catalogue, project: Path
) -> tuple[ImageSpec, tuple[ImageSpec, ...]]:
    """The image of a cell, and all images of its chain, parents first, the cell's own last.

    Raises InputError for a cell that the catalogue cannot make and for a file that is missing.
    """
    chain = _Chain(catalogue=catalogue, project=project)
    image = chain.cell(cell, scenario)
    return image, tuple(chain.specs.values())


@dataclass(frozen=True, kw_only=True)
class _Chain:
    """The images of one cell; `specs` collects them by key, parents first."""

    catalogue: Catalogue
    project: Path
    specs: dict[str, ImageSpec] = field(default_factory=dict)

    def cell(self, cell: Cell, scenario: Scenario) -> ImageSpec:
        base = self._base_of(cell)
        probe = self._probe(scenario, cell.probe, cell.arch)
        server = self._server(cell.launcher, base, cell.arch)
        root = self._rootfs(base, cell.arch)
        return self._dockerfile(
            f"cell-{cell.scenario}-{base.suite}-{cell.launcher}-{cell.probe}",
            "Dockerfile.cell.j2",
            cell.arch,
            parents={"base": root, "probe": probe, "server": server},
            files=[
                _file(self.project / "images" / "launch" / "supervisor.py", "opt/supervisor.py"),
                _file(Path(scenario.folder) / scenario.driver, f"opt/scenario/{scenario.driver}"),
            ],
            values={
                "scenario": scenario.name,
                "python": base.python,
                "glibc": base.glibc,
                "launcher": cell.launcher,
                "language": cell.probe,
            },
        )

    def _base_of(self, cell: Cell) -> Base:
        base = self.catalogue.base_for(cell.glibc, cell.arch)
        if base is None or base.python != cell.python:
            brings = f"; {base.name} brings Python {base.python}" if base else ""
            raise InputError(
                f"no base has glibc {cell.glibc} and Python {cell.python} for {cell.arch}{brings}",
                mend="add one to images/catalogue.yaml, or exclude the cell",
            )
        return base

    def _rootfs(self, base: Base, arch: Arch) -> ImageSpec:
        text = rootfs.command(base, arch)
        return self._add(f"base-{base.suite}", ImageKind.ROOTFS, arch, text, base=base)

    def _builder(self, arch: Arch) -> ImageSpec:
        base = self.catalogue.base_of(self.catalogue.builder_suite, arch)
        if base is None:
            raise InputError(
                f"no base of {self.catalogue.builder_suite} for {arch}, to compile probes in",
                mend="add the architecture to that base in images/catalogue.yaml",
            )
        wheel = self._download("ziglang", arch)
        return self._dockerfile(
            "builder",
            "Dockerfile.builder.j2",
            arch,
            parents={"base": self._rootfs(base, arch)},
            files=[wheel],
            values={
                "wheel": wheel.name,
                "packages": " ".join(self.catalogue.builder_packages),
                "target": self._target(arch),
            },
        )

    def _probe(self, scenario: Scenario, language: str, arch: Arch) -> ImageSpec:
        probe = next((item for item in scenario.probes if item.language == language), None)
        builder_base = self.catalogue.base_of(self.catalogue.builder_suite, arch)
        if probe is None or language not in self.catalogue.languages or builder_base is None:
            raise InputError(
                f"scenario {scenario.name} has no {language} probe that can be compiled for {arch}",
                mend="add it to scenario.yaml, or exclude the cell",
            )
        return self._dockerfile(
            f"probe-{scenario.name}-{language}",
            "Dockerfile.probe.j2",
            arch,
            parents={"builder": self._builder(arch)},
            files=_sources(Path(scenario.folder), probe),
            values={
                "scenario": scenario.name,
                "language": language,
                "source": probe.source,
                "module": probe.module,
                "target": self._target(arch),
                "python": builder_base.python,
            },
        )

    def _server(self, launcher: str, base: Base, arch: Arch) -> ImageSpec | None:
        """The image that brings the launcher's server program; None for a launcher that needs none."""
        makers: Mapping[str, Callable[[], ImageSpec | None]] = {
            "plain": lambda: None,
            "uwsgi": partial(self._uwsgi, base, arch),
        }
        if launcher not in makers or launcher not in self.catalogue.launchers:
            raise InputError(
                f"no image is known for launcher {launcher!r}",
                mend=f"use one of {', '.join(self.catalogue.launchers)}",
            )
        return makers[launcher]()

    def _uwsgi(self, base: Base, arch: Arch) -> ImageSpec:
        sdist = self._download("uwsgi", arch)
        return self._dockerfile(
            f"uwsgi-{base.suite}",
            "Dockerfile.uwsgi.j2",
            arch,
            parents={"base": self._rootfs(base, arch)},
            files=[sdist, _file(self.project / "images" / "uwsgi.ini", "uwsgi.ini")],
            values={"sdist": sdist.name, "packages": " ".join(base.toolchain)},
        )

    def _target(self, arch: Arch) -> str:
        return f"{arch.gnu}-linux-gnu.{self.catalogue.probe_glibc}"

    def _download(self, name: str, arch: Arch) -> ContextFile:
        item = self.catalogue.download(name, arch)
        if item is None:
            raise InputError(f"no file of {name} for {arch} is known", mend="add it to images/catalogue.yaml")
        return ContextFile(name=item.filename, sha256=item.sha256, download=item)

    def _dockerfile(
        self,
        role: str,
        template: str,
        arch: Arch,
        *,
        parents: Mapping[str, ImageSpec | None],
        files: Sequence[ContextFile],
        values: Mapping[str, str],
    ) -> ImageSpec:
        tags = {name: spec.tag if spec else None for name, spec in parents.items()}
        text = fill(self.project / "images", template, {**tags, **values})
        keys = tuple(spec.key for spec in parents.values() if spec)
        return self._add(role, ImageKind.DOCKERFILE, arch, text, files=tuple(files), parents=keys)

    def _add(
        self,
        role: str,
        kind: ImageKind,
        arch: Arch,
        text: str,
        *,
        files: tuple[ContextFile, ...] = (),
        parents: tuple[str, ...] = (),
        base: Base | None = None,
    ) -> ImageSpec:
        name = _slug(role)
        key = content_key(name, kind, arch, text, files)
        spec = ImageSpec(
            role=name, kind=kind, arch=arch, text=text, files=files, parents=parents, base=base, key=key
        )
        return self.specs.setdefault(key, spec)


def content_key(role: str, kind: ImageKind, arch: Arch, text: str, files: Sequence[ContextFile]) -> str:
    """The sha256 of all that decides an image's content, in hex. Where the files lie does not."""
    listed = sorted((item.name, item.sha256, item.executable) for item in files)
    parts = {"recipe": RECIPE, "role": role, "kind": kind, "arch": arch, "text": text, "files": listed}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _slug(role: str) -> str:
    """A role as the engine allows it in an image's name; the key, not the name, tells images apart."""
    return re.sub(r"[^a-z0-9]+", "-", role.lower()).strip("-")


def _sources(folder: Path, probe: ProbeSource) -> list[ContextFile]:
    """The probe's source and, where it has a folder of its own, the regular files beside it."""
    source = folder / probe.source
    beside = [] if source.parent == folder else sorted(source.parent.rglob("*"))
    paths = {source, *(path for path in beside if path.is_file() and not path.is_symlink())}
    return [_file(path, f"src/{path.relative_to(folder)}") for path in sorted(paths)]


def _file(path: Path, name: str) -> ContextFile:
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        executable = bool(path.stat().st_mode & 0o100)
    except OSError as error:
        raise InputError(
            f"the file cannot be read: {error.strerror}",
            where=Location(file=str(path)),
            mend="an image is made from it: put it back",
        ) from error
    return ContextFile(name=name, path=str(path), sha256=digest, executable=executable)
