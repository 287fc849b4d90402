import errno
import os
import stat
from pathlib import Path, PurePosixPath

import pytest

from orchestrator.cores.layers import UnclearLayersError, find


@pytest.fixture
def layers(tmp_path: Path) -> tuple[Path, Path, Path]:
    """The top one, the middle one, and the base with all that an image began with."""
    top, middle, base = tmp_path / "top", tmp_path / "middle", tmp_path / "base"
    for folder in (top, middle):
        folder.mkdir()
    (base / "usr/lib").mkdir(parents=True)
    (base / "usr/lib/libc.so").write_text("libc")
    (base / "usr/lib/libm.so").write_text("libm")
    (base / "lib").symlink_to("usr/lib")
    return top, middle, base


def note(folder: Path, name: str, value: bytes) -> None:
    """An attribute as overlayfs without root writes it."""
    try:
        os.setxattr(folder, f"user.overlay.{name}", value)
    except OSError as error:
        if error.errno != errno.ENOTSUP:
            raise
        pytest.skip("the tests' folder is on a filesystem that keeps no attributes of users")


def content(layers: tuple[Path, ...], name: str) -> str | None:
    file = find(layers, PurePosixPath(name))
    return file.read_text() if file else None


def test_the_highest_layer_that_has_a_file_counts(layers: tuple[Path, ...]) -> None:
    top, middle, _ = layers
    (middle / "usr/lib").mkdir(parents=True)
    (middle / "usr/lib/libc.so").write_text("newer")
    (top / "usr").mkdir()
    assert content(layers, "/usr/lib/libc.so") == "newer"
    assert content(layers, "/usr/lib/libm.so") == "libm"


def test_what_is_no_regular_file_is_not_there(layers: tuple[Path, ...]) -> None:
    top, *_ = layers
    os.mkfifo(top / "pipe")
    for name in ("/usr/lib", "/usr/lib/none.so", "/usr/lib/libc.so/more", "/pipe", "/"):
        assert find(layers, PurePosixPath(name)) is None


def test_links_lead_through_all_layers_and_never_out(layers: tuple[Path, ...]) -> None:
    top, middle, _ = layers
    (top / "opt").mkdir()
    (top / "opt/relative.so").symlink_to("../lib/libm.so")
    (top / "opt/absolute.so").symlink_to("/lib/libc.so")
    (top / "opt/out.so").symlink_to("../../../../../lib/libc.so")
    (top / "opt/loop").symlink_to("loop")
    (middle / "host").symlink_to(middle.parent)
    assert content(layers, "/opt/relative.so") == "libm"
    assert content(layers, "/opt/absolute.so") == content(layers, "/opt/out.so") == "libc"
    assert content(layers, "/opt/loop") is None
    assert content(layers, "/host/base/usr/lib/libc.so") is None


def test_a_whiteout_hides_what_lies_below(layers: tuple[Path, ...]) -> None:
    top, middle, _ = layers
    (middle / "usr/lib").mkdir(parents=True)
    os.mknod(middle / "usr/lib/libc.so", stat.S_IFCHR, os.makedev(0, 0))
    assert content(layers, "/usr/lib/libc.so") is None
    assert content(layers, "/usr/lib/libm.so") == "libm"
    (top / "usr/lib").mkdir(parents=True)
    (top / "usr/lib/libc.so").write_text("again")
    assert content(layers, "/usr/lib/libc.so") == "again"


def test_a_file_hides_a_folder_below_it_and_a_folder_a_file(layers: tuple[Path, ...]) -> None:
    top, middle, _ = layers
    (middle / "usr").write_text("a file")
    assert content(layers, "/usr/lib/libc.so") is None
    (top / "usr").mkdir()
    assert content(layers, "/usr") is None
    assert content(layers, "/usr/lib/libc.so") is None


def test_an_opaque_folder_hides_what_lies_below(layers: tuple[Path, ...]) -> None:
    _, middle, _ = layers
    (middle / "usr/lib").mkdir(parents=True)
    note(middle / "usr/lib", "opaque", b"y")
    (middle / "usr/lib/libm.so").write_text("only")
    assert content(layers, "/usr/lib/libc.so") is None
    assert content(layers, "/usr/lib/libm.so") == "only"


def test_a_renamed_folder_is_left_to_the_engine(layers: tuple[Path, ...]) -> None:
    top, *_ = layers
    (top / "usr").mkdir()
    note(top / "usr", "redirect", b"/elsewhere")
    with pytest.raises(UnclearLayersError, match="was renamed"):
        find(layers, PurePosixPath("/usr/lib/libc.so"))
