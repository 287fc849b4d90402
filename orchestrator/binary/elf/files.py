"""The one module that uses pyelftools: ELF files on disk (not cores, see binary.core.corefile).

The files come out of containers and are untrusted; what pyelftools cannot read is a CoreError.
"""

import mmap
import struct
from collections.abc import Collection, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from elftools.common.exceptions import ELFError
from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile
from elftools.elf.segments import InterpSegment

from orchestrator.binary.elf.notes import PAGE, build_id_of
from orchestrator.binary.elf.objectfile import Symbol, map_object
from orchestrator.errors import CoreError


@dataclass(frozen=True, kw_only=True)
class ElfNames:
    """What a file says of itself: build id, its name for the loader, and the loader it asks for."""

    build_id: str | None
    soname: str | None
    interpreter: str | None


@dataclass(frozen=True, kw_only=True)
class ElfLayout:
    """Addresses as a file is linked: entry point, PT_DYNAMIC, and the range that its segments take."""

    entry: int
    dynamic: int | None
    start: int
    end: int


def read_names(path: Path) -> ElfNames:
    """Read build id, DT_SONAME and PT_INTERP; raises CoreError where the file is no readable ELF."""
    with path.open("rb") as stream:
        head = stream.read(PAGE)
    with _open(path) as elf:
        soname = interpreter = None
        for segment in elf.iter_segments():
            if isinstance(segment, InterpSegment):
                interpreter = segment.get_interp_name()
            elif isinstance(segment, DynamicSegment):
                tags = segment.iter_tags("DT_SONAME")
                soname = next((str(tag.soname) for tag in tags), None)  # type: ignore[attr-defined]
    return ElfNames(build_id=build_id_of(head), soname=soname, interpreter=interpreter)


def read_layout(path: Path) -> ElfLayout:
    """Read where a file's parts belong; raises CoreError where it is no readable ELF with segments."""
    with _open(path) as elf:
        segments = [
            (str(item["p_type"]), int(item["p_vaddr"]), int(item["p_memsz"])) for item in elf.iter_segments()
        ]
        loads = [(start, start + size) for kind, start, size in segments if kind == "PT_LOAD"]
        if not loads:
            raise CoreError(f"{path.name} has nothing that is loaded", hint="its symbols are not used")
        return ElfLayout(
            entry=int(elf["e_entry"]),
            dynamic=next((start for kind, start, _ in segments if kind == "PT_DYNAMIC"), None),
            start=min(start for start, _ in loads) // PAGE * PAGE,
            end=max(end for _, end in loads),
        )


def first_address(path: Path) -> int:
    """The address that the file's first byte is linked to: 0 but for position-dependent programs."""
    return map_object(path).first_address


def find_symbols(path: Path, addresses: Collection[int]) -> dict[int, Symbol]:
    """The symbols that addresses (as linked, not as loaded) may belong to, by address. Raises CoreError."""
    found = map_object(path).find_symbols(addresses)
    return {address: symbol for address, symbol in found.items() if symbol.covering or not symbol.size}


@contextmanager
def _open(path: Path) -> Generator[ELFFile]:
    """pyelftools lets more than its own errors out of damaged files: those of struct, seek and decode.

    The file is mapped, so that a seek to a place that no file has is a ValueError, not an OSError.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as stream:
            yield ELFFile(cast(IO[bytes], stream))
    except (ELFError, struct.error, ValueError, OverflowError, AssertionError, KeyError, AttributeError,
            TypeError, IndexError) as error:  # fmt: skip
        raise CoreError(
            f"{path.name} is not an ELF file that can be read: {error}", hint="its symbols are not used"
        ) from error
