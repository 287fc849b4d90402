"""The interpreters of the catalogue, which bring a CPython."""

from enum import StrEnum
from typing import Annotated, Final, Literal, Self

from packaging.version import Version
from pydantic import Field, StringConstraints, model_validator

from orchestrator.binary.arch import Arch
from orchestrator.model.base import Value
from orchestrator.model.cell import FREE_THREADED, PYTHON_VALUE, in_series
from orchestrator.model.download import Name, VersionText

Package = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.+-]+$", max_length=100)]
Program = Annotated[str, StringConstraints(pattern=r"^(/[A-Za-z0-9][A-Za-z0-9._-]*){1,8}$", max_length=512)]
Arches = Annotated[tuple[Arch, ...], Field(min_length=1)]
PythonText = Annotated[str, StringConstraints(pattern=rf"^{PYTHON_VALUE.pattern}$")]
ModuleName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
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
        """Whether a value of the python axis, an exact version or a series, means this interpreter."""
        return in_series(self.version, python)

    def runs_on(self, glibc: str) -> bool:
        """Whether a base with this glibc has the symbol versions and libraries that this one needs."""
        return self.lowest_glibc is None or Version(glibc) >= Version(self.lowest_glibc)


Interpreter = OwnPython | CopiedPython
