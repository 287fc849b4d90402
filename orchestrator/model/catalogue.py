"""The catalogue: bases, which bring a glibc, and interpreters, which bring a CPython, each on its own."""

from enum import StrEnum
from functools import cached_property
from typing import Annotated, Final, Literal, Self

from packaging.version import Version
from pydantic import Field, StringConstraints, model_validator

from orchestrator.binary.arch import Arch
from orchestrator.model.base import Value
from orchestrator.model.cell import FREE_THREADED, PYTHON_VALUE, in_series
from orchestrator.model.download import Download, ImageName, ImagePin, Name, Tag, VersionText

Package = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.+-]+$", max_length=100)]
Program = Annotated[str, StringConstraints(pattern=r"^(/[A-Za-z0-9][A-Za-z0-9._-]*){1,8}$", max_length=512)]
BaseName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]*$", max_length=64)]
Arches = Annotated[tuple[Arch, ...], Field(min_length=1)]
PythonText = Annotated[str, StringConstraints(pattern=rf"^{PYTHON_VALUE.pattern}$")]
ModuleName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
TOOLCHAIN_ARCH: Final = Arch.X86_64
"""What the cross toolchains run on, whatever they compile for."""
SYSTEM_PYTHON: Final = "/usr/bin/python3"


class InterpreterKind(StrEnum):
    """Where a cell's CPython comes from."""

    OWN = "own"
    """The base brings it."""
    PORTABLE = "portable"
    """Compiled here, once per version and architecture, against the lowest glibc; copied into any base."""
    ARCHIVE = "archive"
    """Compiled by others to run on any base, or on those from some glibc on, and unpacked into it."""


class OwnPython(Value):
    """A CPython that a base brings: its series, and the exact `release` that the base is known to have.

    A suite may bring another release one day; the result then says that the plan was made for this one.
    `toolchain` is what a server is compiled with against it, on that base.
    """

    kind: Literal[InterpreterKind.OWN] = InterpreterKind.OWN
    version: PythonText
    release: PythonText | None = None
    program: Program = SYSTEM_PYTHON
    toolchain: tuple[Package, ...] = ()


class CopiedPython(Value):
    """A CPython that is copied into a base: the `source` is compiled (portable) or unpacked (archive).

    `source` names downloads of this very `version`; a version that ends in `t` is its free-threaded build.
    An archive that does not run on every base names the `lowest_glibc` that it runs on, and the modules of
    the standard library that it is `without`. `minutes` is about how long compiling it takes on two cores.
    """

    kind: Literal[InterpreterKind.PORTABLE, InterpreterKind.ARCHIVE]
    version: PythonText
    arches: Arches
    source: Name
    lowest_glibc: VersionText | None = None
    without: tuple[ModuleName, ...] = ()
    minutes: dict[Arch, int] = {}

    @model_validator(mode="after")
    def _compiled_for_every_base(self) -> Self:
        if self.lowest_glibc and self.kind is InterpreterKind.PORTABLE:
            raise ValueError("`lowest_glibc` is for archives: a portable interpreter runs on every base")
        if self.without and self.kind is InterpreterKind.PORTABLE:
            raise ValueError("`without` is for archives: a portable interpreter has every module")
        return self

    @property
    def free_threaded(self) -> bool:
        """Whether its threads run without a global lock (`--disable-gil`)."""
        return self.version.endswith(FREE_THREADED)

    @property
    def source_version(self) -> str:
        """The version of its source or archive."""
        return self.version.removesuffix(FREE_THREADED)

    def brings(self, python: str) -> bool:
        """Whether a value of the python axis means this one: its exact version, or its series."""
        return in_series(self.version, python)

    def runs_on(self, glibc: str) -> bool:
        """Whether a base with this glibc has the symbol versions and libraries that this one needs."""
        return self.lowest_glibc is None or Version(glibc) >= Version(self.lowest_glibc)


Interpreter = Annotated[OwnPython | CopiedPython, Field(discriminator="kind")]


class Suite(Value):
    """A root filesystem of a Debian suite, made by mmdebstrap.

    `packages` are installed. Of the `debug` packages only the separate debug files are taken.
    `hooks` are folders of mmdebstrap's own hooks. A suite that still moves is signed for a week only, and
    on a mirror that lags behind that is over: where it `may_be_expired`, the signature alone counts.
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

    def compiler_beside(self, python: "OwnPython | CopiedPython") -> tuple[Package, ...]:
        """The packages of its own compiler and of the headers of an interpreter; empty where it has none.

        Beside a copied one they are those of its own, since a probe keeps to the stable ABI.
        """
        beside = (python,) if isinstance(python, OwnPython) else self.pythons
        return next((own.toolchain for own in beside if own.toolchain), ())

    @property
    def origin(self) -> str:
        """Where its files come from, in words, as plans show it."""
        if self.pulled:
            return f"{next(iter(self.pulled.images.values()))}:{self.pulled.tag}"
        if self.debian:
            return f"Debian {self.debian.suite} by mmdebstrap"
        return "the portable toolchain's sysroot"


def registry_of(image: str) -> str:
    """The host of an image's registry."""
    return image.partition("/")[0]


class MadeOf(Value):
    """What a cell's environment is made of: the base with its origin in words, and the interpreter."""

    base: str
    origin: str
    interpreter: InterpreterKind
    version: str
    """The interpreter's version as the catalogue knows it: exact, or the series of a base's own."""
    without: tuple[str, ...] = ()
    """Modules of the standard library that it lacks."""
    minutes: int | None = None
    """About how long compiling it and its libraries takes on two cores, where it is compiled here."""


class CatalogueParts(Value):
    """images/catalogue.yaml but for its downloads: every base and interpreter of a plan.

    Probes are compiled on `builder_suite` with the `builder_packages`, against `probe_glibc`, the
    lowest one that they must load on; for another architecture than the compiler's own the
    `cross_packages` of that one are opened beside them. Of the interpreters that a python axis value
    may mean, the base's own comes first, then the first of `interpreters`.
    """

    bases: Annotated[tuple[Base, ...], Field(min_length=1)]
    interpreters: tuple[CopiedPython, ...] = ()
    languages: tuple[Name, ...]
    builder_suite: Name
    builder_packages: tuple[Package, ...] = ()
    cross_packages: tuple[Package, ...] = ()
    probe_glibc: VersionText = "2.17"
    library_minutes: dict[Arch, int] = {}
    """About how long the libraries of the portable interpreters take on two cores."""

    def base_for(self, glibc: str, arch: Arch) -> Base | None:
        """The base with this glibc for this architecture, if the catalogue has one."""
        found = (base for base in self.bases if base.glibc == glibc and arch in base.arches)
        return next(found, None)

    @property
    def glibc_by_name(self) -> dict[str, str]:
        """The glibc of each base, by the names of the base and of its suite."""
        suites = {base.debian.suite: base.glibc for base in self.bases if base.debian}
        return suites | {base.name: base.glibc for base in self.bases}

    def base_of(self, suite: str, arch: Arch) -> Base | None:
        """The base made from this suite for this architecture, if the catalogue has one."""
        made = (base for base in self.bases if base.debian and base.debian.suite == suite)
        return next((base for base in made if arch in base.arches), None)

    def interpreter_for(self, base: Base, python: str, arch: Arch) -> OwnPython | CopiedPython | None:
        """The interpreter that a python axis value means on a base, if there is one.

        A series ("3.13") is the base's own where it has that, else the first in the catalogue; a
        patch release ("3.13.5") is never the base's own, which a suite changes without our doing.
        """
        own = (item for item in base.pythons if item.version == python)
        copied = (item for item in self.copied(python, arch) if item.runs_on(base.glibc))
        return next(own, None) or next(copied, None)

    def copied(self, python: str, arch: Arch) -> tuple[CopiedPython, ...]:
        """The interpreters that a python axis value may mean on some base, in the catalogue's order."""
        if (python, arch) not in self._copied:
            self._copied[python, arch] = tuple(
                item for item in self.interpreters if arch in item.arches and item.brings(python)
            )
        return self._copied[python, arch]

    @cached_property
    def _copied(self) -> dict[tuple[str, Arch], tuple[CopiedPython, ...]]:
        """What `copied` found: a plan of many cells asks for a few values thousands of times."""
        return {}

    def made_of(self, python: str, glibc: str, arch: Arch) -> MadeOf | None:
        """What the environment of these axis values is made of, if it can be had."""
        base = self.base_for(glibc, arch)
        interpreter = self.interpreter_for(base, python, arch) if base else None
        if base is None or interpreter is None:
            return None
        return MadeOf(
            base=base.name,
            origin=base.origin,
            interpreter=interpreter.kind,
            version=interpreter.release or interpreter.version
            if isinstance(interpreter, OwnPython)
            else interpreter.version,
            without=interpreter.without if isinstance(interpreter, CopiedPython) else (),
            minutes=self._minutes(interpreter, arch),
        )

    def _minutes(self, interpreter: OwnPython | CopiedPython, arch: Arch) -> int | None:
        minutes = interpreter.minutes.get(arch) if isinstance(interpreter, CopiedPython) else None
        return minutes + self.library_minutes.get(arch, 0) if minutes else None

    def release_of(self, python: str, glibc: str, arch: Arch) -> str | None:
        """The exact version that a python axis value means there; a series where only that is known.

        None where there is no such interpreter.
        """
        made_of = self.made_of(python, glibc, arch)
        return made_of.version if made_of else None


class Catalogue(CatalogueParts):
    """images/catalogue.yaml and images/lock.yaml together: what a plan can use, each download pinned."""

    downloads: tuple[Download, ...]
    images: tuple[ImagePin, ...] = ()
    silent: frozenset[str] = frozenset()
    """The registries that this plan needs and that do not answer."""
    host: Arch = TOOLCHAIN_ARCH
    """What this machine runs without emulation."""

    @property
    def lacks_toolchain(self) -> str | None:
        """Why nothing can be compiled against the lowest glibc here, if it cannot."""
        if self.host is TOOLCHAIN_ARCH:
            return None
        needs = f"the toolchain of glibc {self.probe_glibc} runs on {TOOLCHAIN_ARCH} only"
        return f"{needs}, this host is {self.host}"

    def pin_of(self, base: Base, arch: Arch) -> ImagePin | None:
        """The pinned image that a base is pulled as, if its tag has been locked."""
        wanted = base.pulled
        if wanted is None:
            return None
        tagged = (wanted.images[arch], wanted.tag)
        return next((pin for pin in self.images if (pin.image, pin.tag) == tagged), None)

    def lacks_source(self, base: Base, arch: Arch) -> str | None:
        """Why a base cannot be had here, if it cannot."""
        if base.pulled is None:
            return self.lacks_toolchain if base.sysroot else None
        host = registry_of(base.pulled.images[arch])
        said = f"no source for glibc {base.glibc} without an image registry"
        if self.pin_of(base, arch) is None:
            return f"{said} (`crashmatrix images lock` pins its image where {host} answers)"
        return (
            f"{said} ({host} does not answer; --offline where its image is here)"
            if host in self.silent
            else None
        )

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
