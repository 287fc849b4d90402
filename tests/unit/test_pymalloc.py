"""A pool of CPython's allocator by its header, from a real crash: a block of 80 bytes was overwritten."""

import struct

import pytest

from orchestrator.binary.core.corefile import Core, parse_core
from orchestrator.binary.elf.headers import PF_W
from orchestrator.crash.fault.pymalloc import Pool, pool_of
from tests.unit.real_cores import opened

HEADER = bytes.fromhex(
    "ca00000000000000474554202f20485400408e05637f000070c04506637f00000300000004000000f03f0000b03f0000"
)
"""Of CPython 3.11.7; its first free block is "GET / HT"."""


def with_header(header: bytes, offset: int = 0) -> tuple[Core, int]:
    """A real core with a header in a page of its own, and the place of its first free block."""
    with opened("tiny") as (_, core):
        segment = next(item for item in core.loads if item.flags & PF_W and item.stored >= 4096)
        raw = bytearray(core.data)
    at = segment.offset + offset
    raw[at : at + len(header)] = header
    return parse_core(bytes(raw)), segment.start + offset + 8


def test_the_word_at_which_a_pools_list_begins_names_the_pool() -> None:
    core, place = with_header(HEADER)
    assert pool_of(core, place) == Pool(start=place - 8, block=80)
    assert pool_of(core, place + 8) is None


@pytest.mark.parametrize(("place", "value"), [(36, 32), (36, 5), (40, 8), (40, 1 << 20), (44, 0)])
def test_a_header_that_no_pool_can_have_is_none(place: int, value: int) -> None:
    header = bytearray(HEADER)
    struct.pack_into("<I", header, place, value)
    core, word = with_header(bytes(header))
    assert pool_of(core, word) is None


def test_a_header_that_is_not_at_the_start_of_a_page_is_none() -> None:
    core, word = with_header(HEADER, 16)
    assert pool_of(core, word) is None
