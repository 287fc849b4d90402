"""binary.core.corefile on real cores of tests/data/cores/handler.c, and on what an attacker makes of them."""

import gzip
import lzma
import os
import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path

import lz4.frame
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.adapters import process
from orchestrator.binary.core.corefile import Core, open_core, parse_core
from orchestrator.binary.core.notes import MAX_MAPPINGS, parse_files
from orchestrator.binary.core.unpack import plain_core
from orchestrator.binary.elf.files import find_symbols, read_names
from orchestrator.binary.elf.notes import build_id_of, notes_in
from orchestrator.crash.fault.siginfo import handled_fault, parse_siginfo
from orchestrator.crash.truncation import describe_truncation
from orchestrator.errors import CoreError

DATA = Path(__file__).parents[1] / "data" / "cores"
NAMES = ["plain", "siginfo", "chained"]


@cache
def raw(name: str) -> bytes:
    with plain_core(DATA / f"{name}.core.zst") as path:
        return path.read_bytes()


@cache
def head() -> bytes:
    """A core's headers and notes, with the first pages of memory."""
    return raw("plain")[: 256 << 10]


def exercise(core: Core) -> None:
    """Call all that reads."""
    for item in core.modules:
        core.module_at(item.base)
    for state in core.threads:
        core.read(state.sp, 64)
        core.module_at(state.pc)
        handled_fault(core, state.sp)
    parse_siginfo(core.siginfo)
    assert core.executable is None or isinstance(core.executable.path, str)
    assert core.loader is None or isinstance(core.loader.path, str)
    assert isinstance(core.truncated, bool)


@pytest.mark.parametrize("name", NAMES)
def test_what_a_core_says(name: str) -> None:
    core = parse_core(raw(name))
    assert core.arch == "x86_64"
    assert core.damage == ()
    assert not core.truncated
    assert len(core.threads) == 2
    assert core.executable is not None
    assert core.executable.path == "/fx/handler"
    assert core.executable.build_id == read_names(DATA / "handler").build_id
    assert core.loader is not None
    assert core.loader.path == "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"
    assert [module.path for module in core.modules if "libc" in module.path] == [
        "/usr/lib/x86_64-linux-gnu/libc.so.6"
    ]
    delivered = parse_siginfo(core.siginfo)
    assert delivered is not None
    assert (delivered.name, delivered.code, delivered.address) == ("SIGABRT", "SI_TKILL", None)


def test_memory_is_read_where_the_core_holds_it() -> None:
    core = parse_core(raw("plain"))
    assert core.executable is not None
    assert core.read(core.executable.base, 4) == b"\x7fELF"
    assert core.read(0, 16) == b""
    assert core.read((1 << 64) - 8, 64) == b""


def test_a_cut_core_is_truncated_and_still_says_who_crashed(tmp_path: Path) -> None:
    path = tmp_path / "core"
    path.write_bytes(raw("plain")[: 64 << 10])
    with open_core(path) as core:
        assert core.truncated
        assert len(core.threads) == 2
        assert core.module_at(core.threads[0].pc) is not None


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        (0, None),
        (1, "1 of 8,624 KiB of its memory are missing, but no thread's stack"),
        (
            100 << 10,
            "with the stacks of 1 of 2 threads, the crashed one's among them",
        ),
        (1 << 20, "1,024 of 8,624 KiB of its memory are missing, with the stacks of 2 of 2 threads"),
        (8_842_264, "its notes are incomplete"),
    ],
)
def test_what_is_cut_off_a_core_is_counted(lost: int, said: str | None) -> None:
    whole = raw("plain")
    cost = describe_truncation(parse_core(whole[: len(whole) - lost]))
    assert cost is None if said is None else said in (cost or "")


@pytest.mark.parametrize("size", [64, 500, 2000, 5000])
def test_a_core_cut_in_its_headers_says_what_is_missing(size: int) -> None:
    core = parse_core(raw("plain")[:size])
    assert core.truncated or core.damage
    exercise(core)


@pytest.mark.parametrize(
    "content", [b"", b"text", b"\x7fELF", b"\x7fELF" + bytes(60), (DATA / "handler").read_bytes()]
)
def test_what_is_no_core_is_one_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "core"
    path.write_bytes(content)
    with pytest.raises(CoreError) as error, open_core(path):
        pass
    assert "\n" not in str(error.value)


WORDS = [bytes(8), b"\xff" * 8, struct.pack("<Q", 1 << 62), struct.pack("<I", 1 << 31)]
PLACES = st.integers(0, 4096) | st.integers(0, (256 << 10) - 8)
CHANGES = st.lists(st.tuples(PLACES, st.binary(min_size=1, max_size=8) | st.sampled_from(WORDS)), max_size=12)


@given(CHANGES, st.none() | st.integers(0, 256 << 10))
@settings(max_examples=150)
def test_mutated_cores_raise_nothing_but_our_error(changes: list[tuple[int, bytes]], cut: int | None) -> None:
    data = bytearray(head())
    for place, word in changes:
        data[place : place + len(word)] = word
    try:
        core = parse_core(bytes(data[:cut]))
    except CoreError:
        return
    exercise(core)


@given(st.binary(max_size=400), st.sampled_from([4, 8]))
def test_notes_end(data: bytes, align: int) -> None:
    assert sum(1 for _ in notes_in(data, align)) <= len(data) // 12
    build_id_of(b"\x7fELF\x02\x01" + data)


@given(st.integers(0, (1 << 64) - 1), st.binary(max_size=200))
def test_a_list_of_files_that_lies_about_its_length_is_bounded(count: int, rest: bytes) -> None:
    files, cut = parse_files(struct.pack("<QQ", count, 4096) + rest)
    assert cut == (len(files) < count)
    assert len(files) <= min(count, MAX_MAPPINGS, len(rest) // 24)


@given(st.lists(st.tuples(st.integers(0, 21335), st.integers(0, 255)), max_size=8))
@settings(max_examples=60)
def test_mutated_elf_files_raise_nothing_but_our_error(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]]
) -> None:
    data = bytearray((DATA / "handler").read_bytes())
    for place, byte in changes:
        data[place] = byte
    file = tmp_path_factory.getbasetemp() / "mutated-elf"
    file.write_bytes(data)
    for read in (lambda: read_names(file), lambda: find_symbols(file, [0x1190])):
        try:
            read()
        except CoreError:
            continue


def test_a_bomb_is_not_unpacked_whole(tmp_path: Path) -> None:
    path = tmp_path / "core.zst"
    path.write_bytes(zstandard.ZstdCompressor().compress(bytes(1 << 25)))
    with plain_core(path, limit=1 << 20) as plain:
        assert plain.stat().st_size == 1 << 23
        assert plain.stat().st_blocks == 0


def test_a_core_that_is_mostly_holes_is_unpacked_whole(tmp_path: Path) -> None:
    path = tmp_path / "core.zst"
    raw = b"x" + bytes(5 << 20) + b"y"
    path.write_bytes(zstandard.ZstdCompressor().compress(raw))
    with plain_core(path, limit=3 << 20) as plain:
        assert plain.read_bytes() == raw


def test_a_damaged_archive_is_an_error_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "core.zst"
    path.write_bytes((DATA / "plain.core.zst").read_bytes()[:5000] + bytes(5000))
    with pytest.raises(CoreError, match="damaged"), plain_core(path):
        pass


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "zstd": zstandard.ZstdCompressor().compress,
    "lz4": lz4.frame.compress,
    "xz": lzma.compress,
    "gzip": gzip.compress,
}


@pytest.mark.parametrize("name", PACKERS)
def test_archives_are_told_by_their_content(name: str, tmp_path: Path) -> None:
    with plain_core(DATA / "plain.core.zst") as core:
        raw = core.read_bytes()
    path = tmp_path / "no-suffix"
    path.write_bytes(PACKERS[name](raw))
    with plain_core(path) as plain:
        assert plain.read_bytes() == raw


@pytest.mark.parametrize("name", PACKERS)
def test_an_archive_of_several_parts_is_read_to_its_end(name: str, tmp_path: Path) -> None:
    """pzstd, pixz and pigz write such, and so does cat(1)."""
    with plain_core(DATA / "plain.core.zst") as core:
        raw = core.read_bytes()
    parts = [PACKERS[name](raw[start : start + (1 << 21)]) for start in range(0, len(raw), 1 << 21)]
    path = tmp_path / "parts"
    path.write_bytes((bytes(4) if name == "xz" else b"").join(parts))
    with plain_core(path) as plain:
        assert plain.read_bytes() == raw


@pytest.mark.parametrize(
    "command", ["zstd -19 --long=27", "lz4 -9 -BD", "xz -T2 --block-size=65536", "gzip -9"]
)
def test_what_the_programs_themselves_write_is_read(command: str, tmp_path: Path) -> None:
    program, *options = command.split()
    if process.find(program) is None:
        pytest.skip(f"{program} is not installed")
    with plain_core(DATA / "plain.core.zst") as core:
        raw = core.read_bytes()
        packed = process.run([program, "-c", *options, str(core)], hint="")
    path = tmp_path / "packed"
    path.write_bytes(packed.stdout)
    with plain_core(path) as plain:
        assert plain.read_bytes() == raw


@pytest.mark.parametrize("name", PACKERS)
def test_of_a_cut_archive_the_beginning_is_read(name: str, tmp_path: Path) -> None:
    with plain_core(DATA / "plain.core.zst") as core:
        raw = core.read_bytes()
    path = tmp_path / "cut"
    packed = PACKERS[name](raw)
    path.write_bytes(packed[: len(packed) // 2])
    with plain_core(path) as plain:
        got = plain.read_bytes()
    assert raw.startswith(got)
    assert len(got) < len(raw)


@pytest.mark.parametrize("name", PACKERS)
def test_no_archive_unpacks_beyond_the_limit(name: str, tmp_path: Path) -> None:
    path = tmp_path / "bomb"
    raw = os.urandom(1 << 22)
    path.write_bytes(PACKERS[name](raw))
    with plain_core(path, limit=1 << 20) as plain:
        got = plain.read_bytes()
    assert 1 << 20 <= len(got) < 1 << 22
    assert raw.startswith(got)


def test_zeros_at_the_end_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "core"
    path.write_bytes(gzip.compress(b"x" + bytes(3 << 20)))
    with plain_core(path) as plain:
        assert plain.stat().st_size == (3 << 20) + 1
