"""Images: where a glibc comes from, and content-addressed specifications of what is built on it."""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field, StringConstraints

from orchestrator.model.base import Value
from orchestrator.model.cell import Arch

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


Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
Package = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.+-]{1,99}$")]
VersionText = Annotated[str, StringConstraints(pattern=r"^\d{1,4}(\.\d{1,4}){1,3}$")]
FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,199}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


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


class Download(Value):
    """A file from PyPI, pinned by digest; `arch` is the architecture that it runs on, None for any."""

    project: Name
    version: VersionText
    filename: FileName
    sha256: Sha256
    arch: Arch | None = None


class Catalogue(Value):
    """images/catalogue.yaml: every base, launcher and pinned download that a plan can use.

    Probes are compiled on `builder_suite` with the `builder_packages`, against `probe_glibc`, the
    lowest one that they must load on.
    """

    bases: Annotated[tuple[Base, ...], Field(min_length=1)]
    launchers: tuple[Name, ...]
    languages: tuple[Name, ...]
    builder_suite: Name
    builder_packages: tuple[Package, ...] = ()
    probe_glibc: VersionText = "2.17"
    downloads: tuple[Download, ...]

    def base_for(self, glibc: str, arch: Arch) -> Base | None:
        """The base with this glibc for this architecture, if the catalogue has one."""
        found = (base for base in self.bases if base.glibc == glibc and arch in base.arches)
        return next(found, None)

    def base_of(self, suite: str, arch: Arch) -> Base | None:
        """The base made from this suite for this architecture, if the catalogue has one."""
        found = (base for base in self.bases if base.suite == suite and arch in base.arches)
        return next(found, None)

    def download(self, project: str, arch: Arch) -> Download | None:
        """The pinned file of a project that runs on this architecture, if the catalogue has one."""
        found = (item for item in self.downloads if item.project == project and item.arch in {None, arch})
        return next(found, None)


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
