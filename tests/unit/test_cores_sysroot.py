from pathlib import Path, PurePosixPath

import pytest

from orchestrator.cores.sysroot import _complete, _link, debug_path, place
from orchestrator.errors import CoreError
from orchestrator.tools.cache import cache_folder
from orchestrator.tools.core import MappedModule
from orchestrator.tools.elf import find_symbols, first_address, read_names

DATA = Path(__file__).parents[1] / "data" / "cores"
BUILD_ID = "134a993fde0d9c2075364771ee82216c6a3d982b"


def module(path: str, build_id: str | None = BUILD_ID) -> MappedModule:
    return MappedModule(path=path, base=0x1000, end=0x2000, build_id=build_id)


def test_names_lie_where_they_would_in_the_container(tmp_path: Path) -> None:
    assert place(tmp_path, PurePosixPath("/usr/lib/a.so")) == tmp_path / "usr/lib/a.so"


@pytest.mark.parametrize("name", ["/usr/../../etc/passwd", "etc/passwd", "/.."])
def test_names_that_lead_out_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not an absolute path"):
        place(tmp_path, PurePosixPath(name))


def test_a_link_that_leads_out_is_not_followed(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "lib").symlink_to("/etc")
    with pytest.raises(ValueError, match="leads out"):
        place(root, PurePosixPath("/lib/passwd"))


def test_links_are_relative_and_keep_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "usr/lib").mkdir(parents=True)
    (tmp_path / "usr/lib/libc.so.6").write_text("libc")
    _link(tmp_path / "lib", tmp_path / "usr/lib")
    _link(tmp_path / "usr/lib/libc.so.6", tmp_path / "usr")
    assert (tmp_path / "lib").readlink() == Path("usr/lib")
    assert (tmp_path / "lib/libc.so.6").read_text() == "libc"


def test_a_module_is_checked_by_its_build_id(tmp_path: Path) -> None:
    (tmp_path / "handler").write_bytes((DATA / "handler").read_bytes())
    assert _complete(tmp_path, module("/handler")) is None
    problem = _complete(tmp_path, module("/handler", "00" * 20))
    assert problem is not None
    assert "not the file that crashed" in problem
    assert BUILD_ID in problem


def test_what_the_image_lacks_and_what_is_no_elf_are_said(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no ELF at all")
    assert "not in the image" in (_complete(tmp_path, module("/gone.so")) or "")
    assert "not an ELF file" in (_complete(tmp_path, module("/text")) or "")
    assert "not in the image" in (_complete(tmp_path, module("/../etc/passwd")) or "")


def test_debug_files_lie_by_build_id() -> None:
    assert str(debug_path("abcdef")) == "/usr/lib/debug/.build-id/ab/cdef.debug"


def test_what_an_elf_file_says_of_itself() -> None:
    names = read_names(DATA / "handler")
    assert names.build_id == BUILD_ID
    assert names.interpreter == "/lib64/ld-linux-x86-64.so.2"
    assert names.soname is None
    assert first_address(DATA / "handler") == 0


def test_a_symbol_with_a_size_covers_and_one_without_is_nearest() -> None:
    # `nm -S`: touch at 0x1189, 14 bytes; _init and _fini have no size.
    found = find_symbols(DATA / "handler", [0x1190, 0x1000, 0xFFF])
    assert (found[0x1190].start, found[0x1190].size) == (0x1189, 14)
    assert found[0x1000].size == 0
    assert 0xFFF not in found


@pytest.mark.parametrize("size", [0, 4, 63, 64, 1000])
def test_cut_elf_files_are_an_error_of_ours(size: int, tmp_path: Path) -> None:
    file = tmp_path / "cut"
    file.write_bytes((DATA / "handler").read_bytes()[:size])
    with pytest.raises(CoreError):
        find_symbols(file, [0x1190])


def test_the_cache_is_where_the_user_wants_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CRASHMATRIX_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder("a") == tmp_path / "xdg" / "crashmatrix" / "a"
    monkeypatch.setenv("CRASHMATRIX_CACHE", str(tmp_path / "own"))
    assert cache_folder("a") == tmp_path / "own" / "a"
    monkeypatch.delenv("CRASHMATRIX_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder("a") == tmp_path / "home" / ".cache" / "crashmatrix" / "a"
