"""Downloads: the files that the catalogue names, and the digests to which the lock pins them."""

from typing import Annotated, Final, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from orchestrator.binary.arch import Arch
from orchestrator.model.base import Value

# A length that a pattern states makes it many times as slow to compile, which every command does.
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=64)]
VersionText = Annotated[str, StringConstraints(pattern=r"^\d{1,4}(\.\d{1,4}){1,3}$")]
FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*$", max_length=200)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
NpmPackage = Annotated[
    str, StringConstraints(pattern=r"^(@[a-z0-9][a-z0-9._-]*/)?[a-z0-9][a-z0-9._-]*$", max_length=165)
]
_MAVEN: Final = r"[A-Za-z0-9_][A-Za-z0-9._-]*"
MavenArtifact = Annotated[str, StringConstraints(pattern=rf"^{_MAVEN}(:{_MAVEN}){{3,4}}$", max_length=504)]
"""`group:artifact:version:packaging`, and `:classifier` where it has one: Maven's own notation."""
Url = Annotated[
    str,
    StringConstraints(pattern=r"^https?://[A-Za-z0-9][A-Za-z0-9.:-]*/[A-Za-z0-9._~%+@/-]+$", max_length=760),
]
"""No query and no user: an address that a person can read, and that holds no secret."""
PoolPath = Annotated[
    str, StringConstraints(pattern=r"^main(/[A-Za-z0-9][A-Za-z0-9._~%+-]*){3}$", max_length=600)
]
_HOST: Final = r"[a-z0-9][a-z0-9.-]*(:\d{1,5})?"
ImageName = Annotated[
    str, StringConstraints(pattern=rf"^{_HOST}(/[a-z0-9][a-z0-9._-]*){{1,6}}$", max_length=1000)
]
"""Includes the registry, so that no client's default decides it."""
Tag = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*$", max_length=128)]
ImageDigest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
FilePath = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f]+$", max_length=1000)]


class _Wanted(Value):
    """A file by name and version; `arch` is the architecture that it runs on, None for any."""

    name: Name
    version: VersionText
    arch: Arch | None = None

    @property
    def title(self) -> str:
        """The file in words, for example `ziglang 0.17.0 for x86_64`."""
        return f"{self.name} {self.version}" + (f" for {self.arch}" if self.arch else "")


class PypiFile(_Wanted):
    """The file of a PyPI project of that name: its wheel for `arch`, or its sdist. Fetched by pip."""

    source: Literal["pypi"]


class NpmFile(_Wanted):
    """The tarball of an npm package, fetched by npm, which checks it against the registry's own digest."""

    source: Literal["npm"]
    package: NpmPackage


class MavenFile(_Wanted):
    """A file of a Maven repository, fetched by mvn with the mirrors and proxies of its settings.

    Its own `version` is the content's ("3.12.1"); that of the `artifact` may say more ("3.12.1-1.5.10").
    """

    source: Literal["maven"]
    artifact: MavenArtifact


class UrlFile(_Wanted):
    """A file with addresses, tried in order; all must hold the same bytes.

    `pool` is its path below `pool/` of a Debian archive: apt's mirrors are tried after the addresses.
    """

    source: Literal["url"]
    urls: tuple[Url, ...] = ()
    pool: PoolPath | None = None

    @model_validator(mode="after")
    def _has_a_place(self) -> Self:
        if not self.urls and self.pool is None:
            raise ValueError("neither `urls` nor `pool` says where the file lies")
        return self


class LocalFile(_Wanted):
    """A file of this host, relative to the catalogue's folder."""

    source: Literal["file"]
    path: FilePath


Wanted = Annotated[PypiFile | NpmFile | MavenFile | UrlFile | LocalFile, Field(discriminator="source")]


class Pin(Value):
    """The only content that a file may have, with the file name of its source."""

    name: Name
    version: VersionText
    arch: Arch | None = None
    filename: FileName
    sha256: Sha256

    def is_of(self, wanted: _Wanted) -> bool:
        """Whether this pin is the one of a wanted file."""
        return (self.name, self.version, self.arch) == (wanted.name, wanted.version, wanted.arch)


class ImagePin(Value):
    """The only content that a registry's tag may mean: the digest of its manifest."""

    image: ImageName
    tag: Tag
    digest: ImageDigest

    @property
    def reference(self) -> str:
        """The image as an engine pulls it."""
        return f"{self.image}@{self.digest}"


class Lock(Value):
    """images/lock.yaml: everything that `crashmatrix images lock` has pinned."""

    downloads: tuple[Pin, ...] = ()
    images: tuple[ImagePin, ...] = ()

    def pin(self, wanted: _Wanted) -> Pin | None:
        """The pin of a wanted file, if it has one."""
        return next((pin for pin in self.downloads if pin.is_of(wanted)), None)


class Download(Value):
    """A file and its pin: everything that is needed to fetch it."""

    wanted: Wanted
    pin: Pin

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if not self.pin.is_of(self.wanted):
            raise ValueError(f"the pin is of {self.pin.name} {self.pin.version}, not of {self.wanted.title}")
        return self

    @property
    def filename(self) -> str:
        """The name of the file."""
        return self.pin.filename

    @property
    def sha256(self) -> str:
        """The digest that it must have, in hex."""
        return self.pin.sha256
