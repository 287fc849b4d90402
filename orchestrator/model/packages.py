"""Python packages of cells: requirements, and the exact wheels that they are resolved to."""

__lazy_modules__ = ("hashlib",)

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Final

from packaging.version import Version

from orchestrator.binary.arch import Arch
from orchestrator.model.base import Value
from orchestrator.model.cell import FREE_THREADED
from orchestrator.model.code import CodeFile
from orchestrator.supervisor.paths import VENV

_LINES: Final = re.compile(
    r"# (?P<filename>[\w.!+-]+)(?: built by (?P<tools>[0-9a-f]{64}))?\n"
    r"(?P<name>[a-z0-9][a-z0-9-]*)==(?P<version>[0-9][\w.!+-]*) --hash=sha256:(?P<sha256>[0-9a-f]{64})",
    re.ASCII,
)
"""A name that begins as an option would be one to uv (`-e==.`), and a file name with `/` another file."""
UV_MANYLINUX: Final = (17, 28, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40)
"""The manylinux platforms that uv 0.13 knows, each 2.N: of a newer glibc it takes the wheels for 2.40."""


class WheelPlatform(Value):
    """The platform of wheels. `python` is the interpreter's release ("3.11.2"), or its series."""

    python: str
    glibc: str
    arch: Arch
    free_threaded: bool = False

    @property
    def series(self) -> tuple[int, int]:
        """The interpreter's major and minor version."""
        release = Version(self.python)
        return release.major, release.minor

    @property
    def minor_glibc(self) -> int:
        """N of a glibc 2.N; no other has been released since 1997."""
        return Version(self.glibc).minor

    @property
    def uv(self) -> str:
        """The platform as uv names it; of those that it does not name, the newest one below."""
        known = max((minor for minor in UV_MANYLINUX if minor <= self.minor_glibc), default=UV_MANYLINUX[0])
        return f"{self.arch.gnu}-manylinux_2_{known}"

    @property
    def interpreter(self) -> str:
        """The interpreter's series in words."""
        return f"CPython {self.tagged(*self.series)}"

    def tagged(self, *numbers: int | str) -> str:
        """A version of the interpreter, with the t of a free-threaded build behind it."""
        return ".".join(map(str, numbers)) + (FREE_THREADED if self.free_threaded else "")


class PackageQuestion(Value):
    """Requirements of one environment.

    Requirements are PEP 508's, or the absolute path of a wheel file. `folder` is where uv looks for its
    configuration (uv.toml, pyproject.toml), upwards.
    """

    requirements: tuple[str, ...]
    platform: WheelPlatform
    folder: str
    build_missing: bool = False
    """Whether a distribution without a wheel is built from its source distribution."""


class LockedWheel(Value):
    """One wheel of a lock, or the source distribution that it is built from."""

    name: str
    """The distribution's normalized name (PEP 503)."""
    version: str
    filename: str
    sha256: str
    place: str | None = None
    """For a wheel that no index has: the path of a file of this host, or an address without credentials."""
    tools: "PackageLock | None" = None
    """Of a source distribution: what builds it; None for a wheel."""

    @property
    def text(self) -> str:
        """Its lines in a lock."""
        built = f" built by {self.tools.digest}" if self.tools else ""
        return f"# {self.filename}{built}\n{self.name}=={self.version} --hash=sha256:{self.sha256}\n"


class PackageLock(Value):
    """Everything that an environment installs: one file for each distribution, by its digest."""

    wheels: tuple[LockedWheel, ...]

    @classmethod
    def parse(cls, text: str, lock_of: "Callable[[str], PackageLock] | None" = None) -> "PackageLock":
        """Read a lock's own text, without places; raises ValueError for any other text.

        `lock_of` gives the locks of what builds source distributions, by digest.
        """
        lines = text.splitlines()
        found = [_LINES.fullmatch("\n".join(pair)) for pair in zip(lines[::2], lines[1::2], strict=False)]
        lock = cls(wheels=tuple(_entry(match.groupdict(), lock_of) for match in found if match))
        if lock.text != text:
            raise ValueError("not the text of a lock")
        return lock

    @property
    def sdists(self) -> tuple[LockedWheel, ...]:
        """The source distributions, which are built in the cell's base."""
        return tuple(item for item in self.wheels if item.tools is not None)

    @property
    def ready(self) -> tuple[LockedWheel, ...]:
        """The wheels that are installed without a build."""
        return tuple(item for item in self.wheels if item.tools is None)

    @property
    def with_tools(self) -> "tuple[PackageLock, ...]":
        """This lock, and those of what builds its source distributions."""
        return (self, *(item.tools for item in self.sdists if item.tools))

    @property
    def text(self) -> str:
        """A requirements file with hashes (pip's format). It has no path and no address, so no secret."""
        return "".join(item.text for item in self.wheels)

    @property
    def digest(self) -> str:
        """The sha256 of the text, in hex."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def pins(self) -> dict[str, str]:
        """Versions by distribution."""
        return {item.name: item.version for item in self.wheels}


def _entry(parts: Mapping[str, str], lock_of: "Callable[[str], PackageLock] | None") -> LockedWheel:
    """One entry of a lock's text."""
    if not parts["tools"]:
        return LockedWheel.model_validate(parts)
    if lock_of is None:
        raise ValueError("what builds a package is built itself")
    return LockedWheel.model_validate({**parts, "tools": lock_of(parts["tools"])})


class NoWheel(Value):
    """Why an environment has no wheels for the requirements, and the alternatives."""

    reason: str


class WheelTree(Value):
    """An installed lock: what it adds to a virtual environment at `venv`, for one platform."""

    lock: PackageLock
    platform: WheelPlatform
    folder: str
    """Where uv looks for its configuration, upwards."""
    venv: str = VENV


class SourceBuild(Value):
    """A package that is built from its source, and what builds it: PEP 517's build requirements, and pip."""

    name: str
    """What errors call it, and what the file names in its debug information begin with."""
    folder: str
    """Where its files lie on the host."""
    files: tuple[CodeFile, ...]
    tools: WheelTree


class SdistBuild(Value):
    """A package that is built from its source distribution, since an index has no wheel of it."""

    sdist: LockedWheel
    path: str
    """The file on this host."""
    tools: WheelTree

    @property
    def title(self) -> str:
        """What errors call it, and what the file names in its debug information begin with."""
        return f"{self.sdist.name}-{self.sdist.version}"


class CellPackages(Value):
    """Everything in a cell's virtual environment: wheels of an index, and what is built."""

    tree: WheelTree
    source: SourceBuild | None = None
    sdists: tuple[SdistBuild, ...] = ()
