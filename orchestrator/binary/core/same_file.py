"""Whether a file is the one that a process had mapped, by the bytes that both core and file hold.

For files whose build id the core does not hold. A core has the first page of each mapped file, which begins
with the ELF header and the program headers, and as much of the text as its filter let through.
"""

from collections.abc import Iterator
from typing import Final

from orchestrator.binary.core.modules import MappedModule, Memory
from orchestrator.binary.elf.headers import PAGE, PF_W, parse_file_header, parse_segments
from orchestrator.binary.elf.objectfile import ObjectFile

MOST_PAGES: Final = 256
"""Pages of a file that are compared."""
_PATCHED: Final = 64
"""Bytes of a page that may differ: breakpoints are written into code. Pages of other code differ in most."""
_SECTIONS: Final = {2: (slice(40, 48), slice(58, 64)), 1: (slice(32, 36), slice(46, 52))}
"""Where an ELF header, by its class, says where section headers are, which strip and objcopy change."""


def is_other_file(memory: Memory, module: MappedModule, file: ObjectFile) -> bool | None:
    """Whether a file differs from the mapped one; None if the core holds nothing to compare."""
    head = memory.read(module.base, PAGE)
    header = parse_file_header(head)
    if header is None or len(head) < header.segments_end:
        return None
    if parse_segments(head, header) != file.segments or _fixed(head) != _fixed(file.head):
        return True
    return any(
        _differ(held, file.read(address, len(held)))
        for address, held in _held_pages(memory, module.base - file.first_address, file)
    )


def _fixed(head: bytes) -> bytes:
    """The ELF header without what may differ between two copies of one file."""
    kept = bytearray(head[:64] if head[4] == 2 else head[:52])
    for place in _SECTIONS.get(head[4], ()):
        kept[place] = bytes(place.stop - place.start)
    return bytes(kept)


def _held_pages(memory: Memory, bias: int, file: ObjectFile) -> Iterator[tuple[int, bytes]]:
    """Pages of the file's read-only segments that the core holds, by linked address, spread over the file."""
    loads = [load for load in file.loads if not load.flags & PF_W]
    places = [at for load in loads for at in range(load.start, load.start + load.stored, PAGE)]
    for address in places[:: len(places) // MOST_PAGES + 1]:
        held = memory.read(address + bias, PAGE)
        if held:
            yield address, held


def _differ(held: bytes, stored: bytes) -> bool:
    """Whether a page differs by more than patches, within the file's segment."""
    if held[: len(stored)] == stored:
        return False
    return sum(one != other for one, other in zip(held, stored, strict=False)) > _PATCHED
