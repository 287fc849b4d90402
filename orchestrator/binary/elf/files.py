"""The names, layout and symbols of an ELF file on disk (for cores see binary.core.corefile).

The files come out of containers and are untrusted; one that is no readable ELF file is a CoreError.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from orchestrator.binary.elf.headers import PAGE, PT_DYNAMIC, PT_INTERP
from orchestrator.binary.elf.objectfile import ObjectFile, map_object
from orchestrator.binary.elf.symbols import Symbol
from orchestrator.errors import CoreError


@dataclass(frozen=True, kw_only=True)
class ElfNames:
    """Build id in hex, name for the dynamic loader (DT_SONAME), and the loader it asks for (PT_INTERP)."""

    build_id: str | None
    soname: str | None
    interpreter: str | None


@dataclass(frozen=True, kw_only=True)
class ElfLayout:
    """Addresses as linked: entry point, PT_DYNAMIC, and the range of pages that its segments take."""

    entry: int
    dynamic: int | None
    start: int
    end: int


def read_names(path: Path) -> ElfNames:
    """Read the names of a file; raises CoreError where it is no readable ELF file, and OSError."""
    elf = _map(path)
    interpreter = elf.segment(PT_INTERP)
    return ElfNames(
        build_id=elf.build_id,
        soname=elf.soname,
        interpreter=elf.text(interpreter) if interpreter else None,
    )


def read_layout(path: Path) -> ElfLayout:
    """Read where a file's parts belong; raises CoreError where it is no readable ELF file with segments."""
    elf = _map(path)
    if not elf.loads:
        raise CoreError(f"{path.name} has no segment to load", hint="its symbols are not used")
    dynamic = elf.segment(PT_DYNAMIC)
    return ElfLayout(
        entry=elf.header.entry,
        dynamic=dynamic.start if dynamic else None,
        start=min(load.start for load in elf.loads) // PAGE * PAGE,
        end=max(load.start + load.size for load in elf.loads),
    )


def first_address(path: Path) -> int:
    """The address that the file's first byte is linked to: 0 but for position-dependent programs."""
    return map_object(path).first_address


def find_symbols(path: Path, addresses: Collection[int]) -> dict[int, Symbol]:
    """The symbols that linked addresses may belong to, by address. Raises CoreError."""
    found = map_object(path).find_symbols(addresses)
    return {address: symbol for address, symbol in found.items() if symbol.covering or not symbol.size}


def _map(path: Path) -> ObjectFile:
    """Map a file, with its name in the CoreError of one that is no readable ELF file."""
    try:
        return map_object(path)
    except CoreError as error:
        raise CoreError(
            f"{path.name} is not an ELF file that can be read: {error.what}", hint=error.hint
        ) from error
