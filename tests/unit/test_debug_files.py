"""Debug information wherever tools put it: files of tests/data/debug/make.sh, all of one program and core."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.binary.core.corefile import open_core
from orchestrator.binary.core.unpack import plain_core
from orchestrator.crash.stacks.elf import backend as elf_backend
from orchestrator.crash.stacks.reading import Frame, Reading

DATA = Path(__file__).parents[1] / "data" / "debug"
BUILD_ID = "6372617368206d61747269782064656275670001"
INLINED = ["shared_touch", "shared_step", "inner_call", "outer_middle", "outer_call", "start", "_start"]
BY_SYMBOLS = ["inner_call", "outer_call", "start", "_start"]
BESIDE, HIDDEN, APART = (
    "faults/linked.debug",
    "faults/.debug/linked.debug",
    "usr/lib/debug/faults/linked.debug",
)

Placing = Callable[..., Path]


@pytest.fixture
def place(tmp_path: Path) -> Placing:
    """Makes a sysroot: the program by this name of the data, and further files of the data by their paths."""

    def place(program: str, files: dict[str, str] | None = None) -> Path:
        for target, name in {"faults/linked": program, **(files or {})}.items():
            (tmp_path / target).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(DATA / name, tmp_path / target)
        return tmp_path

    return place


def read(root: Path, core: str = "linked") -> Reading:
    with plain_core(DATA / f"{core}.core.zst") as path, open_core(path) as opened:
        return elf_backend.read_stacks(path, opened, root)


def frames(reading: Reading) -> tuple[Frame, ...]:
    (thread,) = reading.threads
    return thread.frames


def functions(reading: Reading) -> list[str | None]:
    return [frame.function for frame in frames(reading)]


def assert_whole(reading: Reading) -> None:
    """Every inlined call and every line, as the source has them."""
    assert functions(reading) == INLINED
    assert [frame.inline for frame in frames(reading)] == [True, True, False, True, False, False, False]
    for frame, text in zip(frames(reading), ("value + 1", "shared_touch(", "shared_step("), strict=False):
        assert frame.file is not None
        assert frame.line is not None
        assert text in (DATA / Path(frame.file).name).read_text().splitlines()[frame.line - 1]


@pytest.mark.parametrize("way", ["zlib", "zstd", "zlib-gnu"])
def test_compressed_sections_are_read(way: str, place: Placing) -> None:
    assert_whole(read(place(way)))


def test_without_debug_information_nothing_is_named(place: Placing) -> None:
    assert functions(read(place("stripped"))) == [None] * 4


@pytest.mark.parametrize("where", [BESIDE, HIDDEN, APART])
def test_a_debug_link_is_followed_to_each_place(where: str, place: Placing) -> None:
    assert_whole(read(place("linked", {where: "linked.debug"})))


def test_a_debug_file_with_another_crc_is_not_used(place: Placing) -> None:
    root = place("linked", {BESIDE: "linked.debug"})
    with (root / BESIDE).open("ab") as file:
        file.write(b"\0")
    assert functions(read(root)) == [None] * 4


def test_a_right_debug_file_is_found_behind_a_wrong_one(place: Placing) -> None:
    assert_whole(read(place("linked", {BESIDE: "alt.debug", APART: "linked.debug"})))


def test_a_debug_link_out_of_the_sysroot_is_not_followed(
    place: Placing, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside") / "linked.debug"
    shutil.copy(DATA / "linked.debug", outside)
    root = place("linked")
    (root / BESIDE).symlink_to(outside)
    assert functions(read(root)) == [None] * 4


def test_mini_debug_information_gives_the_names_of_functions(place: Placing) -> None:
    reading = read(place("mini"))
    assert functions(reading) == BY_SYMBOLS
    assert all(frame.exact for frame in frames(reading))


def test_code_is_left_by_debug_frame_where_there_is_no_eh_frame(place: Placing) -> None:
    reading = read(place("framed-linked", {BESIDE.replace("linked.", "framed."): "framed.debug"}), "framed")
    assert_whole(reading)
    assert not any(frame.scanned for frame in frames(reading))
    assert reading.warnings == ()


def test_without_its_debug_file_such_code_is_left_by_a_guess_which_is_marked(place: Placing) -> None:
    reading = read(place("framed-linked"), "framed")
    assert any(frame.scanned for frame in frames(reading)) or reading.warnings
