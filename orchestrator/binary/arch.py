"""The architectures whose machine code and cores can be read."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Arch(StrEnum):
    """Architectures, by the names that users write; the properties give the names of other tools.

    A matrix has those of 64 bits; of the others, cores alone are read.
    """

    X86_64 = "x86_64"
    ARM64 = "arm64"
    I386 = "i386"
    ARM = "arm"

    @classmethod
    def of_matrix(cls, value: str) -> "Arch":
        """An architecture that a matrix can have; raises ValueError for any other."""
        arch = value if type(value) is cls else cls(value)
        if arch not in MATRIX_ARCHES:
            raise ValueError(f"{value!r} is not a valid Arch")
        return arch

    @property
    def wide(self) -> bool:
        """Whether addresses have 64 bits."""
        return self in (Arch.X86_64, Arch.ARM64)

    @classmethod
    def from_machine(cls, machine: str) -> "Arch":
        """The architecture of a name that uname or an engine gives; raises ValueError if no cell has it."""
        return cls.of_matrix({"aarch64": "arm64", "amd64": "x86_64"}.get(machine, machine))

    @classmethod
    def aliases(cls) -> Mapping[str, str]:
        """Other names of the architectures, in small letters: what systems, engines and vendors call them."""
        x86_64 = dict.fromkeys(("amd64", "x64", "x86-64", "x86", "intel64", "em64t"), cls.X86_64.value)
        return x86_64 | dict.fromkeys(("aarch64", "arm64v8", "armv8", "armv8l", "arm"), cls.ARM64.value)

    @property
    def platform(self) -> str:
        """The engine's name of this architecture, for example linux/amd64."""
        return {"x86_64": "linux/amd64", "arm64": "linux/arm64"}[self.value]

    @property
    def debian(self) -> str:
        """Debian's name of this architecture, for example amd64."""
        return {"x86_64": "amd64", "arm64": "arm64"}[self.value]

    @property
    def gnu(self) -> str:
        """The GNU name of this architecture, as compilers take it, for example aarch64."""
        return {"x86_64": "x86_64", "arm64": "aarch64"}[self.value]

    @property
    def rust(self) -> str:
        """rustc's name of Linux with the GNU C library on this architecture."""
        return f"{self.gnu}-unknown-linux-gnu"


MATRIX_ARCHES: Final = (Arch.X86_64, Arch.ARM64)
"""The architectures of cells, hosts and images; `platform` and the names after it are of these alone."""
