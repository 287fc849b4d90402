import io
import os
from pathlib import Path, PurePosixPath

import pytest

from orchestrator.binary.core.modules import MappedModule
from orchestrator.binary.elf.debug_links import debug_place
from orchestrator.binary.elf.files import find_symbols, first_address, read_names
from orchestrator.cores.sources import FolderSource, inside
from orchestrator.cores.sysroot_maker import SysrootMaker
from orchestrator.cores.sysroot_paths import link_inside, link_merged, place
from orchestrator.errors import CoreError

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
    link_inside(tmp_path / "lib", tmp_path / "usr/lib")
    link_inside(tmp_path / "usr/lib/libc.so.6", tmp_path / "usr")
    assert (tmp_path / "lib").readlink() == Path("usr/lib")
    assert (tmp_path / "lib/libc.so.6").read_text() == "libc"


def made(root: Path, tmp_path: Path, *modules: MappedModule) -> tuple[Path, list[str]]:
    """A sysroot that is made from a folder."""
    folder = tmp_path / "sysroot"
    folder.mkdir(exist_ok=True)
    maker = SysrootMaker(source=FolderSource(root), folder=folder, store=tmp_path / "store")
    return folder, maker.add(modules)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    (folder / "handler").write_bytes((DATA / "handler").read_bytes())
    return folder


def test_a_file_is_used_only_where_its_build_id_is_the_cores(root: Path, tmp_path: Path) -> None:
    folder, problems = made(root, tmp_path, module("/handler", "00" * 20))
    assert not (folder / "handler").exists()
    assert len(problems) == 1
    for part in ("/handler is not the file that crashed and is not used", "00" * 20, BUILD_ID):
        assert part in problems[0]
    folder, problems = made(root, tmp_path, module("/handler"))
    assert problems == []
    assert (folder / "handler").read_bytes() == (DATA / "handler").read_bytes()


def test_a_core_without_build_ids_says_that_nothing_was_checked(root: Path, tmp_path: Path) -> None:
    folder, problems = made(root, tmp_path, module("/handler", None))
    assert (folder / "handler").exists()
    assert "is not checked" in problems[0]


def test_no_crash_is_read_by_a_file_of_another_root_with_the_same_build_id(
    root: Path, tmp_path: Path
) -> None:
    """Whoever links a file chooses its build id: that of the interpreter, for one."""
    debug = PurePosixPath("usr/lib/debug/.build-id") / BUILD_ID[:2] / f"{BUILD_ID[2:]}.debug"
    real = (root / "handler").read_bytes()
    other = tmp_path / "other"
    for folder, content in ((other, real.replace(b"handler", b"nothing")), (root, real)):
        (folder / debug).parent.mkdir(parents=True)
        (folder / debug).write_bytes(content)
        (folder / "handler").write_bytes(content)
        sysroot = tmp_path / f"sysroot-of-{folder.name}"
        sysroot.mkdir()
        maker = SysrootMaker(source=FolderSource(folder), folder=sysroot, store=tmp_path / "store")
        assert maker.add([module("/handler")]) == []
        assert [(sysroot / name).read_bytes() == content for name in ("handler", debug)] == [True, True]


def test_a_file_of_a_sysroot_that_was_changed_is_fetched_again(root: Path, tmp_path: Path) -> None:
    (kept,) = (folder := made(root, tmp_path, module("/handler"))[0]).glob("handler")
    raw = kept.read_bytes()
    kept.write_bytes(raw.replace(bytes.fromhex(BUILD_ID), bytes(20)))
    assert "is not used" in made(root, tmp_path, module("/handler"))[1][0]
    assert made(root, tmp_path, module("/handler")) == (folder, [])


def test_what_the_source_lacks_and_what_is_no_elf_are_said(root: Path, tmp_path: Path) -> None:
    (root / "text").write_text("no ELF at all")
    names = ("/gone.so", "/text", "/../etc/passwd")
    _, problems = made(root, tmp_path, *(module(name) for name in names))
    for problem, said in zip(problems, ("is not in folder", "not an ELF file", "is not in"), strict=True):
        assert said in problem


def test_of_special_files_and_folders_nothing_is_copied(tmp_path: Path) -> None:
    """A core may name them as its files: /proc's have no end, opening a device may do something."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder", "none"):
        assert FolderSource(tmp_path).copy(PurePosixPath("/") / name, io.BytesIO()) is False
    pages = io.BytesIO()
    FolderSource(Path("/")).copy(PurePosixPath("/proc/self/pagemap"), pages)
    assert pages.getvalue() == b""


def test_a_folder_is_not_taken_for_the_file_of_its_name(root: Path, tmp_path: Path) -> None:
    (tmp_path / "sysroot/usr/lib").mkdir(parents=True)
    _, (problem,) = made(root, tmp_path, module("/usr/lib"))
    assert problem.startswith("/usr/lib is not in ")


def test_links_in_a_copied_root_are_followed_inside_it(root: Path) -> None:
    (root / "usr/lib").mkdir(parents=True)
    (root / "lib").symlink_to("/usr/lib")
    (root / "usr/lib/a").symlink_to("../../../../handler")
    (root / "loop").symlink_to("loop")
    assert inside(root, PurePosixPath("/lib/a")) == root / "handler"
    assert inside(root, PurePosixPath("/../../etc/passwd")) == root / "etc/passwd"
    with pytest.raises(FileNotFoundError):
        inside(root, PurePosixPath("/loop"))


@pytest.mark.parametrize(
    ("path", "linked"), [("/usr/lib/a.so", True), ("/lib/x86_64-linux-gnu/a.so", False), ("/opt/a.so", True)]
)
def test_lib_means_usr_lib_unless_it_is_a_folder_of_its_own(path: str, linked: bool, tmp_path: Path) -> None:
    link_merged(tmp_path, [module(path)])
    assert (tmp_path / "lib").is_symlink() is linked
    assert (tmp_path / "lib64").readlink() == Path("usr/lib64")


def test_debug_files_lie_by_build_id() -> None:
    assert str(debug_place("abcdef")) == "/usr/lib/debug/.build-id/ab/cdef.debug"


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
