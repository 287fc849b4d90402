"""Debug information wherever tools put it: files of tests/data/debug/make.sh, all of one program and core."""

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from orchestrator.binary.core.corefile import open_core
from orchestrator.binary.core.unpack import plain_core
from orchestrator.crash.stacks.elf import backend as elf_backend
from orchestrator.crash.stacks.reading import Frame, Reading
from orchestrator.errors import InputError
from orchestrator.model import Crash
from orchestrator.pipeline.analyze import AnalyzeRequest, analyze_core

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


def test_a_debug_link_that_is_no_text_is_said_as_it_can_be(place: Placing) -> None:
    root = place("linked", {"faults/other": "linked"})
    program = (root / "faults/linked").read_bytes().replace(b"linked.debug\0", b"\xba\xfe\0ked.debug\0")
    (root / "faults/linked").write_bytes(program)
    assert analyze(root).model_dump_json()


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


def analyze(root: Path, *, debuginfod: str | None = None) -> Crash:
    core = str(DATA / "linked.core.zst")
    return analyze_core(AnalyzeRequest(core=core, sysroot=root, backends=("elf",), debuginfod=debuginfod))


def named(crash: Crash) -> list[str | None]:
    assert crash.crashed_thread
    return [frame.function for frame in crash.crashed_thread.native]


@pytest.mark.parametrize("where", [BESIDE, HIDDEN, APART])
def test_a_linked_debug_file_is_fetched_from_a_root(where: str, place: Placing) -> None:
    crash = analyze(place("linked", {where: "linked.debug"}))
    assert named(crash) == INLINED
    assert crash.limits == ()


def test_a_wrong_debug_file_is_said(place: Placing) -> None:
    crash = analyze(place("linked", {BESIDE: "alt.debug"}))
    assert named(crash) == [None] * 4
    assert any(f"/{BESIDE} is not the debug file of /faults/linked" in line for line in crash.limits)


def test_a_debug_link_that_names_a_module_leaves_that_alone(place: Placing) -> None:
    """The program's own name as that of its debug file: the CRC is wrong, and the program is still read."""
    root = place("linked")
    program = (root / "faults/linked").read_bytes()
    (root / "faults/linked").write_bytes(program.replace(b"linked.debug\0", b"linked\0\0\0\0\0\0\0"))
    assert named(analyze(root)) == [None] * 4


@contextmanager
def server(files: dict[str, bytes]) -> Iterator[tuple[str, list[str]]]:
    """A server of these files on this machine: its address, and the paths that it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            content = files.get(self.path)
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{running.server_port}/", asked
        finally:
            running.shutdown()
            thread.join()


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRASHMATRIX_CACHE", str(tmp_path / "cache"))


@pytest.mark.usefixtures("own_cache")
def test_a_debuginfod_server_is_asked_where_one_is_named_and_once(place: Placing) -> None:
    root = place("stripped")
    with server({f"/buildid/{BUILD_ID}/debuginfo": (DATA / "linked.debug").read_bytes()}) as (url, asked):
        assert named(analyze(root)) == [None] * 4
        assert asked == []
        assert named(analyze(root, debuginfod=url)) == INLINED
        assert named(analyze(root, debuginfod=url)) == INLINED
    assert asked == [f"/buildid/{BUILD_ID}/debuginfo"]


@pytest.mark.usefixtures("own_cache")
def test_a_program_that_is_gone_comes_from_the_server(tmp_path: Path) -> None:
    files = {"executable": "stripped", "debuginfo": "linked.debug"}
    served = {f"/buildid/{BUILD_ID}/{kind}": (DATA / name).read_bytes() for kind, name in files.items()}
    (tmp_path / "empty").mkdir()
    with server(served) as (url, _):
        crash = analyze(tmp_path / "empty", debuginfod=url)
    assert named(crash) == INLINED
    assert crash.limits == ()


@pytest.mark.usefixtures("own_cache")
@pytest.mark.parametrize("answer", [b"no ELF file", (DATA / "framed.debug").read_bytes()])
def test_what_a_server_answers_counts_by_its_build_id(answer: bytes, place: Placing) -> None:
    with server({f"/buildid/{BUILD_ID}/debuginfo": answer}) as (url, _):
        assert named(analyze(place("stripped"), debuginfod=url)) == [None] * 4


@pytest.mark.usefixtures("own_cache")
def test_a_server_that_fails_is_said_and_costs_no_more(place: Placing) -> None:
    with server({}) as (url, _):
        pass
    crash = analyze(place("stripped"), debuginfod=url)
    assert any("is not asked for more debug files" in line for line in crash.limits)


def test_an_address_that_is_none_is_the_users_mistake(place: Placing) -> None:
    with pytest.raises(InputError, match="no address of a server"):
        analyze(place("stripped"), debuginfod="debuginfod.example.org")


@pytest.mark.parametrize(
    ("package", "offered"),
    [
        ("sqlite3", "sqlite3-dbgsym"),
        ("libc6:amd64", "libc6-dbg"),
        ("libpython3.11-minimal:amd64", "python3.11-dbg"),
    ],
)
def test_debians_package_of_debug_files_is_offered_by_name(
    package: str, offered: str, place: Placing
) -> None:
    root = place("stripped", {f"var/lib/dpkg/info/{package}.list": "make.sh"})
    (root / f"var/lib/dpkg/info/{package}.list").write_text("/.\n/faults\n/faults/linked\n")
    assert any(f"Debian's package {offered} has" in line for line in analyze(root).limits)


def test_no_package_is_offered_where_nothing_is_missing(place: Placing) -> None:
    root = place("zstd", {"var/lib/dpkg/info/x.list": "make.sh"})
    (root / "var/lib/dpkg/info/x.list").write_text("/faults/linked\n")
    assert analyze(root).limits == ()


SHARED = f"usr/lib/debug/.build-id/{BUILD_ID[:2]}/{BUILD_ID[2:]}.debug"
SPLIT = {"src/inner.dwo": "five/inner.dwo", "src/outer.dwo": "five/outer.dwo"}
SPLIT_4 = {"src4/inner.dwo": "four/inner.dwo", "src4/outer.dwo": "four/outer.dwo"}


@pytest.mark.parametrize(
    "where", ["usr/lib/debug/.build-id/.dwz/shared.dwz", "usr/lib/debug/.dwz/shared.dwz"]
)
def test_what_dwz_moved_to_a_shared_file_is_found(where: str, place: Placing) -> None:
    crash = analyze(place("stripped", {SHARED: "alt.debug", where: "shared.dwz"}))
    assert named(crash) == INLINED
    assert crash.limits == ()


def test_a_shared_file_of_another_build_is_not_used(place: Placing) -> None:
    crash = analyze(place("stripped", {SHARED: "alt.debug", "usr/lib/debug/.dwz/shared.dwz": "linked.debug"}))
    assert named(crash) != INLINED
    assert any("shares debug information, is not in" in line for line in crash.limits)


@pytest.mark.parametrize(
    ("program", "files"),
    [
        ("split", SPLIT),
        ("split", {"faults/linked.dwp": "split.dwp"}),
        ("split4", SPLIT_4),
        ("split4", {"faults/linked.dwp": "split4.dwp"}),
    ],
)
def test_split_debug_information_is_read(program: str, files: dict[str, str], place: Placing) -> None:
    assert_whole(read(place(program, files)))


def test_what_was_split_away_and_is_gone_is_said_and_lines_are_kept(place: Placing) -> None:
    reading = read(place("split", {"src/outer.dwo": "five/outer.dwo"}))
    assert functions(reading) == ["inner_call", *INLINED[3:]]
    assert frames(reading)[0].line
    assert any("/src/inner.dwo" in line for line in reading.warnings)


def test_a_split_file_of_another_unit_is_not_used(place: Placing) -> None:
    reading = read(place("split", {"src/inner.dwo": "five/outer.dwo", "src/outer.dwo": "five/outer.dwo"}))
    assert functions(reading) == ["inner_call", *INLINED[3:]]
    assert reading.unsure


@pytest.mark.parametrize("files", [SPLIT, {"faults/linked.dwp": "split.dwp"}])
def test_split_files_are_fetched_from_a_root(files: dict[str, str], place: Placing) -> None:
    crash = analyze(place("split", files))
    assert named(crash) == INLINED
    assert crash.limits == ()


def test_a_name_of_a_split_file_that_leads_out_is_not_followed(place: Placing) -> None:
    root = place("split", SPLIT)
    program = root / "faults/linked"
    program.write_bytes(program.read_bytes().replace(b"inner.dwo\0", b"../../i.x\0"))
    crash = analyze(root)
    assert named(crash) == ["inner_call", *INLINED[3:]]
    assert any("/i.x" in line for line in crash.limits)
