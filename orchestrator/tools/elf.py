"""The one module that uses pyelftools: ELF files on disk (not cores, see tools.core).

The files come out of containers and are untrusted; what pyelftools cannot read is a CoreError.
"""

import mmap
import struct
from bisect import bisect_left
from collections.abc import Collection, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, cast

from elftools.common.exceptions import ELFError
from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile
from elftools.elf.segments import InterpSegment

from orchestrator.errors import CoreError
from orchestrator.tools.core import PAGE, build_id_of

_SYMBOL: Final = struct.Struct("<IBBHQQ")
_FUNCTIONS: Final = frozenset({0, 2, 10})
"""STT_NOTYPE (hand-written assembly), STT_FUNC, STT_GNU_IFUNC."""
_TABLES: Final = frozenset({"SHT_SYMTAB", "SHT_DYNSYM"})
MAX_TABLE: Final = 64 << 20
"""Bytes of a symbol table that are read; libpython's with debug symbols has 1 MB."""


@dataclass(frozen=True, kw_only=True)
class ElfNames:
    """What a file says of itself: build id, its name for the loader, and the loader it asks for."""

    build_id: str | None
    soname: str | None
    interpreter: str | None


@dataclass(frozen=True, kw_only=True)
class Symbol:
    """The symbol that an address belongs to: `size` 0 means that it is only the nearest one before."""

    start: int
    size: int


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


def first_address(path: Path) -> int:
    """The address that the file's first byte is linked to: 0 but for position-dependent programs."""
    with _open(path) as elf:
        loads = (segment for segment in elf.iter_segments() if segment["p_type"] == "PT_LOAD")
        return next((int(item["p_vaddr"] - item["p_offset"]) for item in loads), 0)


def find_symbols(path: Path, addresses: Collection[int]) -> dict[int, Symbol]:
    """The symbols that addresses (as linked, not as loaded) belong to, by address.

    A symbol whose size covers the address is preferred to one without a size. Raises CoreError.
    """
    wanted = sorted(set(addresses))
    found: dict[int, Symbol] = {}
    with _open(path) as elf:
        for section in elf.iter_sections():
            if section["sh_type"] in _TABLES and section["sh_size"] <= MAX_TABLE:
                # Not section.data(): it unpacks compressed sections to whatever size they claim.
                elf.stream.seek(section["sh_offset"])
                table = elf.stream.read(section["sh_size"])
                _match(table[: len(table) // _SYMBOL.size * _SYMBOL.size], wanted, found)
    return found


def _match(table: bytes, wanted: list[int], found: dict[int, Symbol]) -> None:
    for _, info, _, section, start, size in _SYMBOL.iter_unpack(table):
        if not section or info & 0xF not in _FUNCTIONS:
            continue
        for address in wanted[bisect_left(wanted, start) :]:
            if size and address >= start + size:
                break
            _keep(address, Symbol(start=start, size=size), found)


def _keep(address: int, symbol: Symbol, found: dict[int, Symbol]) -> None:
    known = found.get(address)
    if known is None or (bool(symbol.size), symbol.start) > (bool(known.size), known.start):
        found[address] = symbol


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
            f"{path.name} is not an ELF file that can be read: {error}", mend="its symbols are not used"
        ) from error
