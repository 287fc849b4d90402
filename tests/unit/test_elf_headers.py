"""binary.elf: headers, names and layouts as pyelftools reads them, and bounds on damaged files."""

import struct
from functools import cache
from pathlib import Path

import pytest
from elftools.elf.dynamic import DynamicSection, DynamicSegment
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import NoteSection, SymbolTableSection
from elftools.elf.segments import InterpSegment
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.binary.dwarf.leb128 import MAX_BYTES, sleb128, uleb128
from orchestrator.binary.elf.files import find_symbols, read_layout, read_names
from orchestrator.binary.elf.headers import (
    MAX_HEADERS,
    MAX_NAME,
    FileHeader,
    parse_file_header,
    parse_sections,
    parse_segments,
)
from orchestrator.binary.elf.notes import build_id_of, code_of
from orchestrator.binary.elf.objectfile import ObjectFile
from orchestrator.errors import CoreError

SEGMENT_SIZE = 56
DATA = Path(__file__).parents[1] / "data/cores"
BUILD_ID = ("GNU", "NT_GNU_BUILD_ID")
PROGRAMS = [DATA / name for name in ("handler", "tiny", "tiny-unindexed", "guest", "guest-fault")]


def mapped() -> list[Path]:
    """All ELF files that this process has loaded."""
    words = (line.split() for line in Path("/proc/self/maps").read_text().splitlines())
    paths = {Path(line[5]) for line in words if len(line) == 6 and "x" in line[1]}
    return sorted(path for path in paths if path.is_file())


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.name)
def test_headers_names_and_layout_are_those_of_another_parser(path: Path) -> None:
    assert_read_the_same(path)


def test_headers_names_and_layout_of_this_process_are_those_of_another_parser() -> None:
    assert mapped()
    for path in mapped():
        assert_read_the_same(path)


def assert_read_the_same(path: Path) -> None:
    data = path.read_bytes()
    header = parse_file_header(data)
    assert header is not None
    names, layout = read_names(path), read_layout(path)
    with path.open("rb") as stream:
        elf = ELFFile(stream)
        assert (header.entry, header.segment_count, header.section_count) == (
            elf["e_entry"], elf["e_phnum"], elf["e_shnum"],
        )  # fmt: skip
        ours = [(item.offset, item.start, item.stored, item.size) for item in parse_segments(data, header)]
        keys = ("p_offset", "p_vaddr", "p_filesz", "p_memsz")
        assert ours == [tuple(item[key] for key in keys) for item in elf.iter_segments()]
        sections = list(elf.iter_sections())
        assert [item.name for item in parse_sections(data, header)] == [item.name for item in sections]
        interps = [item for item in elf.iter_segments() if isinstance(item, InterpSegment)]
        assert names.interpreter == (interps[0].get_interp_name() if interps else None)
        notes = [note for item in sections if isinstance(item, NoteSection) for note in item.iter_notes()]
        # Debian's interpreter has notes of SystemTap's, whose type is the same number.
        named = [(note["n_name"], note["n_type"]) for note in notes]
        ids = [note["n_desc"] for note, name in zip(notes, named, strict=True) if name == BUILD_ID]
        assert [names.build_id] == (ids or [None])
        dynamic = [item for item in elf.iter_segments() if isinstance(item, DynamicSegment)]
        assert layout.dynamic == (dynamic[0]["p_vaddr"] if dynamic else None)
        tags = [tag for item in sections if isinstance(item, DynamicSection) for tag in item.iter_tags()]
        sonames = [tag.soname for tag in tags if tag.entry.d_tag == "DT_SONAME"]  # type: ignore[attr-defined]
        assert [names.soname] == (sonames or [None])


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.name)
def test_the_symbols_of_functions_are_those_of_another_parser(path: Path) -> None:
    with path.open("rb") as stream:
        table = ELFFile(stream).get_section_by_name(".symtab")
        assert isinstance(table, SymbolTableSection)
        wanted = {
            item["st_value"]: item["st_size"] for item in table.iter_symbols()
            if item["st_info"]["type"] == "STT_FUNC" and item["st_size"] and item["st_shndx"] != "SHN_UNDEF"
        }  # fmt: skip
        known = {item.name for item in table.iter_symbols()}
    inside = [start + size - 1 for start, size in wanted.items()]
    found = find_symbols(path, inside)
    assert {address: (symbol.start, symbol.size) for address, symbol in found.items()} == {
        start + size - 1: (start, size) for start, size in wanted.items()
    }
    assert {symbol.name for symbol in found.values()} <= known


def test_a_number_of_segments_beyond_16_bits_is_in_the_first_section_header() -> None:
    data = bytearray(128)
    data[:6] = b"\x7fELF\x02\x01"
    struct.pack_into("<Q", data, 40, 64)
    struct.pack_into("<H", data, 56, 0xFFFF)
    struct.pack_into("<I", data, 64 + 44, 70_000)
    header = parse_file_header(bytes(data))
    assert header is not None
    assert header.segment_count == 70_000


@pytest.mark.parametrize(
    "ident", [b"\x7fELF\x01\x02", b"\x7fELF\x02\x02", b"\x7fELF\x03\x01", b"\x7fELE\x02\x01"]
)
def test_other_files_than_little_endian_ones_have_no_header(ident: bytes) -> None:
    data = ident + (DATA / "tiny").read_bytes()[len(ident) :]
    assert parse_file_header(data) is None


@pytest.mark.parametrize("size", [0, 6, 63])
def test_a_file_that_ends_within_its_file_header_has_none(size: int) -> None:
    assert parse_file_header((DATA / "tiny").read_bytes()[:size]) is None


@cache
def program() -> bytes:
    return (DATA / "guest-fault").read_bytes()


NUMBERS = st.sampled_from([0, 1, 0x7F, 0xFFFF, 1 << 31, (1 << 32) - 1, 1 << 62, 1 << 63, (1 << 64) - 1])


@given(
    st.lists(st.tuples(st.integers(0, 63), st.binary(min_size=1, max_size=8)), max_size=6),
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 6), NUMBERS), max_size=6),
    st.none() | st.integers(0, 8300),
)
@settings(max_examples=300)
def test_damaged_headers_raise_nothing_and_give_no_more_than_the_file_holds(
    header_changes: list[tuple[int, bytes]], row_changes: list[tuple[int, int, int]], cut: int | None
) -> None:
    damaged = bytearray(program())
    for at, change in header_changes:
        damaged[at : at + len(change)] = change
    for row, word, number in row_changes:
        struct.pack_into("<Q", damaged, 64 + row * SEGMENT_SIZE + word * 8, number)
    read_all(bytes(damaged[:cut]))


@given(st.binary(max_size=600))
def test_whatever_follows_the_magic_number_is_read_within_its_bounds(rest: bytes) -> None:
    read_all(b"\x7fELF\x02\x01" + rest)


def read_all(data: bytes) -> None:
    header = parse_file_header(data)
    build_id_of(data[:4096])
    code_of(data[:4096])
    if header is None:
        assert len(data) < 64 or data[:6] != b"\x7fELF\x02\x01"
        return
    segments, sections = parse_segments(data, header), parse_sections(data, header)
    assert len(segments) <= min(header.segment_count, MAX_HEADERS, len(data) // SEGMENT_SIZE)
    assert len(sections) <= min(header.section_count, MAX_HEADERS, len(data) // 64)
    assert all(len(section.name) <= MAX_NAME for section in sections)
    try:
        elf = ObjectFile(data)
    except CoreError:
        assert max(header.segments_end, header.sections_end) > len(data)
        return
    most = min(max((load.stored for load in elf.loads), default=0), len(data))
    assert all(len(elf.read(load.start, 1 << 40)) <= most for load in elf.loads)
    assert len(elf.soname or "") <= MAX_NAME
    assert all(len(elf.content(section, 1 << 20)) <= section.size for section in sections)
    elf.find_symbols([0, header.entry, (1 << 64) - 1])


def test_limits_hold_where_a_file_says_it_has_more() -> None:
    header = FileHeader(2, 62, 0, 0, SEGMENT_SIZE, 1 << 31, 0, 1 << 31, 0, True)
    data = bytes(MAX_HEADERS * 64 * 2)
    assert len(parse_segments(data, header)) == len(parse_sections(data, header)) == MAX_HEADERS
    assert len(parse_segments(data, header, 7)) == 7


@given(st.integers(0, (1 << 64) - 1), st.binary(max_size=4))
def test_leb128_numbers_are_read_back(number: int, rest: bytes) -> None:
    raw = bytearray()
    left = number
    while left >= 0x80:
        raw.append(left & 0x7F | 0x80)
        left >>= 7
    raw.append(left)
    assert uleb128(rest + raw + rest, len(rest)) == (number, len(rest) + len(raw))


@given(st.integers(-(1 << 63), (1 << 63) - 1), st.binary(max_size=4))
def test_signed_leb128_numbers_are_read_back(number: int, rest: bytes) -> None:
    raw, left = bytearray(), number
    while not -64 <= left < 64:
        raw.append(left & 0x7F | 0x80)
        left >>= 7
    raw.append(left & 0x7F)
    assert sleb128(rest + raw + rest, len(rest)) == (number, len(rest) + len(raw))


@given(st.integers(0, 2 * MAX_BYTES), st.integers(0, 30))
def test_a_leb128_number_without_an_end_is_a_value_error(count: int, place: int) -> None:
    for read in (uleb128, sleb128):
        with pytest.raises(ValueError, match="has no end"):
            read(b"\x80" * count, place)
