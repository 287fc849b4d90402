"""Files below a folder of others: what is read, and what leads out and is refused."""

import os
import socket
from pathlib import Path

import pytest

from orchestrator.adapters import inside, openat2
from orchestrator.adapters.inside import find_inside, open_inside, read_inside, resolve_inside
from orchestrator.errors import InputError

LIMIT = 100


@pytest.fixture(params=["openat2", "part by part"])
def root(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project, opened by a kernel that has openat2 and by one that answers that it has no such call."""
    if request.param == "part by part":
        monkeypatch.setattr(openat2, "_NUMBER", 9999)
    folder = tmp_path / "project"
    (folder / "deep/er").mkdir(parents=True)
    (folder / "a").write_text("a")
    (folder / "deep/er/b").write_text("b")
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "project-too").mkdir()
    (tmp_path / "project-too/x").write_text("other")
    return folder


def test_a_file_is_read_by_every_way_that_stays_inside(root: Path) -> None:
    (root / "link").symlink_to("deep/er/b")
    (root / "deep/up").symlink_to("../a")
    (root / "folder").symlink_to("deep")
    (root / "chain").symlink_to("folder/up")
    for name, text in {
        "a": "a",
        "deep/er/b": "b",
        "link": "b",
        "deep/up": "a",
        "folder/er/b": "b",
        "chain": "a",
        "deep/../a": "a",
        "folder/../a": "a",
    }.items():
        assert read_inside(root / name, root, LIMIT) == text.encode()


def test_what_is_found_has_no_links(root: Path) -> None:
    (root / "folder").symlink_to("deep")
    assert resolve_inside(root / "folder/er/b", root) == root.resolve() / "deep/er/b"
    assert resolve_inside(root / "folder", root) == root.resolve() / "deep"
    assert resolve_inside(root, root) == root.resolve()


def test_dots_behind_a_link_are_those_of_its_target(root: Path) -> None:
    (root / "folder").symlink_to("deep/er")
    (root / "deep/a").write_text("deep a")
    assert read_inside(root / "folder/../a", root, LIMIT) == b"deep a"


def test_a_root_that_is_reached_by_a_link_is_followed(root: Path, tmp_path: Path) -> None:
    (tmp_path / "way").symlink_to("project")
    assert read_inside(tmp_path / "way/a", tmp_path / "way", LIMIT) == b"a"
    assert read_inside(root.resolve() / "a", tmp_path / "way", LIMIT) == b"a"


@pytest.mark.parametrize(
    "target",
    ["../secret", "/etc/passwd", "deep/../../secret", "../project-too/x", "deep/../../project/a", "/", ".."],
)
def test_a_link_that_leads_out_is_refused(root: Path, target: str) -> None:
    (root / "link").symlink_to(target)
    with pytest.raises(InputError, match=r"^'link' leads out of the folder; copy what it means into "):
        open_inside(root / "link", root)
    with pytest.raises(InputError, match="leads out"):
        resolve_inside(root / "link", root)


def test_an_absolute_link_is_refused_even_where_it_leads_back_in(root: Path) -> None:
    (root / "link").symlink_to(root / "a")
    with pytest.raises(InputError, match="leads out"):
        open_inside(root / "link", root)


def test_a_folder_that_leads_out_is_refused(root: Path, tmp_path: Path) -> None:
    (root / "folder").symlink_to(tmp_path / "project-too")
    with pytest.raises(InputError, match="'folder/x' leads out"):
        open_inside(root / "folder/x", root)


@pytest.mark.parametrize("name", ["../secret", "deep/../../secret", "/a", "/etc/passwd", "out/x", "a\0b"])
def test_a_name_that_leads_out_is_not_found(root: Path, name: str) -> None:
    (root / "out").symlink_to("../project-too")
    with pytest.raises(OSError, match=r"leads out of the folder|NUL byte"):
        find_inside(root, name)


def test_only_a_regular_file_is_found(root: Path) -> None:
    (root / "link").symlink_to("deep/er/b")
    os.mkfifo(root / "pipe")
    for name in ("pipe", "deep", "", ".", "none", "a/b", "a/.", "a/", "a/..", "none/../a"):
        assert find_inside(root, name) is None, name
    for name in ("a", "link", "deep/er/../../a", "./a", "deep//er/b"):
        found = find_inside(root, name)
        assert found is not None
        with found:
            assert found.read() in (b"a", b"b")


def test_links_of_the_kernel_itself_are_not_followed(root: Path) -> None:
    with (root / "a").open() as stream, pytest.raises(OSError, match=r"leads out|symbolic links"):
        find_inside(Path("/proc/self/fd"), str(stream.fileno()))


@pytest.mark.parametrize("name", ["../secret", "deep/../../secret", "../project-too/x"])
def test_dots_that_lead_out_are_refused(root: Path, name: str) -> None:
    with pytest.raises(InputError, match="leads out of the folder"):
        open_inside(root / name, root)


def test_a_path_of_elsewhere_is_refused(root: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="leads out of the folder"):
        resolve_inside(tmp_path / "project-too/x", root)


def test_a_pipe_a_socket_a_device_and_a_folder_are_not_read(root: Path) -> None:
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(root / "socket"))
    (root / "null").symlink_to("/dev/null")
    for name in ("pipe", "socket"):
        with pytest.raises(InputError, match=f"^'{name}' cannot be read: it is not a regular file"):
            open_inside(root / name, root)
        with pytest.raises(InputError, match="it is neither a file nor a folder"):
            resolve_inside(root / name, root)
    with pytest.raises(InputError, match="'null' leads out"):
        open_inside(root / "null", root)
    with pytest.raises(InputError, match="'deep' cannot be read: it is not a regular file"):
        open_inside(root / "deep", root)


def test_a_pipe_that_takes_the_place_of_a_file_is_not_waited_for(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = (root / "a").stat()
    os.mkfifo(root / "pipe")
    monkeypatch.setattr(Path, "lstat", lambda _path: seen)
    with pytest.raises(OSError, match="not a regular file"):
        inside.open_regular(root / "pipe")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("none", "No such file"),
        ("a/b", "Not a directory"),
        ("nul\0byte", "NUL byte"),
        ("x" * 300, "File name too long"),
        ("x/" * 3000, "File name too long"),
        ("loop", "Too many levels"),
    ],
)
def test_what_cannot_be_found_is_one_line(root: Path, name: str, said: str) -> None:
    (root / "loop").symlink_to("loop")
    with pytest.raises(InputError, match=said) as caught:
        open_inside(root / name, root)
    assert "\n" not in str(caught.value)
    assert "\0" not in str(caught.value)


def test_a_file_beyond_the_limit_is_not_read(root: Path) -> None:
    with (root / "sparse").open("wb") as stream:
        stream.truncate(3 << 30)
    with pytest.raises(InputError, match="'sparse' is larger than 100 bytes; make it smaller"):
        read_inside(root / "sparse", root, LIMIT)


def test_descriptors_are_closed(root: Path) -> None:
    (root / "link").symlink_to("deep/er/b")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for name in ("link", "deep/er/b", "deep", "none", "deep/../../secret"):
        try:
            read_inside(root / name, root, LIMIT)
        except InputError:
            continue
    assert len(list(Path("/proc/self/fd").iterdir())) == before
