"""The catalogue: bases, which bring a glibc, and interpreters, which bring a CPython, each on its own."""

from functools import cached_property
from typing import Annotated, Final

from pydantic import Field

from orchestrator.binary.arch import Arch
from orchestrator.model.base import Integer, Value
from orchestrator.model.download import Download, ImagePin, Name, VersionText
from orchestrator.model.interpreter import CopiedPython, Interpreter, InterpreterKind, OwnPython, Package
from orchestrator.model.root_filesystem import Base, registry_of

TOOLCHAIN_ARCH: Final = Arch.X86_64
"""The architecture that the cross toolchains run on."""


class MadeOf(Value):
    """The parts of a cell's environment: the base with its origin in words, and the interpreter."""

    base: str
    origin: str
    interpreter: InterpreterKind
    version: str
    """The interpreter's version as the catalogue knows it: exact, or the series of a base's own."""
    without: tuple[str, ...] = ()
    """Modules of the standard library that it lacks."""
    minutes: Integer | None = None
    """The approximate time to compile it and its libraries on two cores; None if it is not compiled."""


class CatalogueParts(Value):
    """images/catalogue.yaml without its downloads: every base and interpreter of a plan.

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
    """The approximate time to compile the libraries of the portable interpreters on two cores."""

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

    def interpreter_for(self, base: Base, python: str, arch: Arch) -> Interpreter | None:
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
        """The results of `copied`: a plan of many cells needs a few values thousands of times."""
        return {}

    def made_of(self, python: str, glibc: str, arch: Arch) -> MadeOf | None:
        """The parts of the environment of these axis values; None if there is none."""
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

    def _minutes(self, interpreter: Interpreter, arch: Arch) -> int | None:
        minutes = interpreter.minutes.get(arch) if isinstance(interpreter, CopiedPython) else None
        return minutes + self.library_minutes.get(arch, 0) if minutes else None

    def release_of(self, python: str, glibc: str, arch: Arch) -> str | None:
        """The exact version that a python axis value means there; a series where only that is known.

        None where there is no such interpreter.
        """
        made_of = self.made_of(python, glibc, arch)
        return made_of.version if made_of else None


class Catalogue(CatalogueParts):
    """images/catalogue.yaml with images/lock.yaml: all that a plan can use, each download pinned."""

    downloads: tuple[Download, ...]
    images: tuple[ImagePin, ...] = ()
    silent: frozenset[str] = frozenset()
    """The registries that this plan needs and that do not answer."""
    host: Arch = TOOLCHAIN_ARCH
    """The architecture that this machine runs without emulation."""

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
