"""Images: where a glibc comes from, and content-addressed specifications of what is built on it."""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field, StringConstraints

from orchestrator.model.base import Value
from orchestrator.model.cell import Arch
from orchestrator.model.download import Download, Name, VersionText

LABEL: Final = "org.crashmatrix"
"""Set to the kind of thing on every container, volume, network and image of this tool."""
LABEL_KEY: Final = "org.crashmatrix.key"
"""The content-addressed key of an image."""
LABEL_PACKAGES: Final = "org.crashmatrix.packages"
"""The sha256 of the list of packages in an image's root filesystem."""
LABEL_RUN: Final = "org.crashmatrix.run"
"""The run that made a container or volume."""
LABEL_CELL: Final = "org.crashmatrix.cell"
REPOSITORY: Final = "crashmatrix"

Package = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.+-]{1,99}$")]


class Base(Value):
    """A root filesystem that brings a glibc, made from a Debian suite by mmdebstrap.

    `packages` are installed. Of the `debug` packages only the separate debug files are taken.
    `hooks` are folders of mmdebstrap's own hooks. `toolchain` is what its compile stages install.
    """

    name: Name
    suite: Name
    glibc: VersionText
    python: VersionText
    arches: Annotated[tuple[Arch, ...], Field(min_length=1)]
    packages: tuple[Package, ...]
    debug: tuple[Package, ...] = ()
    hooks: tuple[Name, ...] = ()
    toolchain: tuple[Package, ...] = ()


class CatalogueParts(Value):
    """images/catalogue.yaml but for its downloads: every base, launcher and language of a plan.

    Probes are compiled on `builder_suite` with the `builder_packages`, against `probe_glibc`, the
    lowest one that they must load on.
    """

    bases: Annotated[tuple[Base, ...], Field(min_length=1)]
    launchers: tuple[Name, ...]
    languages: tuple[Name, ...]
    builder_suite: Name
    builder_packages: tuple[Package, ...] = ()
    probe_glibc: VersionText = "2.17"

    def base_for(self, glibc: str, arch: Arch) -> Base | None:
        """The base with this glibc for this architecture, if the catalogue has one."""
        found = (base for base in self.bases if base.glibc == glibc and arch in base.arches)
        return next(found, None)

    def base_of(self, suite: str, arch: Arch) -> Base | None:
        """The base made from this suite for this architecture, if the catalogue has one."""
        found = (base for base in self.bases if base.suite == suite and arch in base.arches)
        return next(found, None)


class Catalogue(CatalogueParts):
    """images/catalogue.yaml and images/lock.yaml together: what a plan can use, each download pinned."""

    downloads: tuple[Download, ...]

    def download(self, name: str, arch: Arch, version: str | None = None) -> Download | None:
        """The pinned file of this name that runs on this architecture, if the catalogue has one.

        Without a version it is the first that the catalogue lists.
        """
        fitting = (
            item
            for item in self.downloads
            if item.wanted.name == name
            and item.wanted.arch in {None, arch}
            and version in {None, item.wanted.version}
        )
        return next(fitting, None)


class ImageKind(StrEnum):
    """How an image comes to be."""

    ROOTFS = "rootfs"
    DOCKERFILE = "dockerfile"


class ContextFile(Value):
    """A file of the build context under its `name` there.

    It lies at `path` on the host, or is the `download` that the cache holds or fetches.
    """

    name: str
    sha256: str
    path: str | None = None
    download: Download | None = None
    executable: bool = False


class ImageSpec(Value):
    """All that decides an image's content. Two specs with equal keys are the same image.

    `text` is the rendered Dockerfile, or the mmdebstrap command line of a rootfs (without its
    target, one argument a line, quoted as for a shell). `parents` are keys of images that must exist
    first; their tags stand in `text`, so a parent's change changes the key.
    """

    role: str
    kind: ImageKind
    arch: Arch
    text: str
    files: tuple[ContextFile, ...] = ()
    parents: tuple[str, ...] = ()
    base: Base | None = None
    key: str

    @property
    def tag(self) -> str:
        """The tag under which the engine knows this image."""
        return f"{REPOSITORY}/{self.role}:{self.key[:16]}"

    @property
    def folder(self) -> str:
        """The name of this image's folder where it is rendered and logged."""
        return f"{self.role}-{self.key[:16]}"
