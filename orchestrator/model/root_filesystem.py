"""The bases of the catalogue: root filesystems, each of which brings a glibc."""

from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from orchestrator.binary.arch import Arch
from orchestrator.model.base import Value
from orchestrator.model.download import ImageName, Name, Tag, VersionText
from orchestrator.model.interpreter import Arches, Interpreter, OwnPython, Package

BaseName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]*$", max_length=64)]


class Suite(Value):
    """A root filesystem of a Debian suite, made by mmdebstrap.

    `packages` are installed. Of the `debug` packages only the separate debug files are taken.
    `hooks` are folders of mmdebstrap's own hooks. The signature of a suite that still changes is valid for a
    week, which a mirror that lags behind exceeds: where it `may_be_expired`, its validity period is not
    checked.
    Of the architectures `without_security` the suite's security updates are not taken.
    """

    suite: Name
    packages: tuple[Package, ...]
    debug: tuple[Package, ...] = ()
    hooks: tuple[Name, ...] = ()
    may_be_expired: bool = False
    without_security: tuple[Arch, ...] = ()


class CrossSysroot(Value):
    """A root filesystem made of the portable toolchain's own C library, with a static shell of Debian's."""

    shell: Package = "busybox-static"


class RegistryImage(Value):
    """A root filesystem from an image registry, for each architecture.

    `packages` are installed by the image's own apt. Where its base has another source too, that one
    is taken, the same everywhere, unless this one is `preferred`.
    """

    images: Annotated[dict[Arch, ImageName], Field(min_length=1)]
    tag: Tag
    packages: tuple[Package, ...] = ()
    preferred: bool = False


class Base(Value):
    """A root filesystem that brings a glibc, from one of `debian` and `sysroot`, or from `registry`."""

    name: BaseName
    glibc: VersionText
    arches: Arches
    debian: Suite | None = None
    sysroot: CrossSysroot | None = None
    registry: RegistryImage | None = None
    pythons: tuple[OwnPython, ...] = ()

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if self.debian and self.sysroot:
            raise ValueError("only one of `debian` and `sysroot` can say where a base comes from")
        if not (self.debian or self.sysroot or self.registry):
            raise ValueError("one of `debian`, `sysroot` and `registry` must say where a base comes from")
        if self.registry and not self.registry.images.keys() >= set(self.arches):
            raise ValueError("`registry` must name an image for each of `arches`")
        return self

    @property
    def pulled(self) -> RegistryImage | None:
        """The registry's image, where this base is taken from there."""
        others = self.debian or self.sysroot
        return self.registry if self.registry and (self.registry.preferred or not others) else None

    def compiler_beside(self, python: Interpreter) -> tuple[Package, ...]:
        """The packages of its own compiler and of the headers of an interpreter; empty where it has none.

        Beside a copied one they are those of its own, since a probe keeps to the stable ABI.
        """
        beside = (python,) if isinstance(python, OwnPython) else self.pythons
        return next((own.toolchain for own in beside if own.toolchain), ())

    @property
    def origin(self) -> str:
        """The origin of its files in words, as plans show it."""
        if self.pulled:
            return f"{next(iter(self.pulled.images.values()))}:{self.pulled.tag}"
        if self.debian:
            return f"Debian {self.debian.suite} by mmdebstrap"
        return "the portable toolchain's sysroot"


def registry_of(image: str) -> str:
    """The host of an image's registry."""
    return image.partition("/")[0]
