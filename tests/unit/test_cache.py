"""Where the cache is, also for a user without a home."""

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.adapters.cache import cache_folder
from orchestrator.errors import HostError
from tests.unit.users import plain_user

NO_FOLDER = "/dev/null/none"
"""A path that not even root can create."""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files; no variable that places the cache is set."""
    for name in ("CRASHMATRIX_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def private(temporary: Path) -> Path:
    return temporary / f"crashmatrix-{os.geteuid()}"


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """What every user can reach: `temporary`, and a `home` with a cache that no plain user may write."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        (folder / "home/.cache/crashmatrix/a").mkdir(parents=True)
        (folder / "temporary").mkdir()
        for path, mode in ((folder, 0o755), (folder / "temporary", 0o1777)):
            path.chmod(mode)
        closed = folder / "home/.cache/crashmatrix/a"
        closed.chmod(0o555)
        yield folder


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


def test_a_user_whose_home_cannot_be_written_has_a_cache_of_its_own(
    private: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", NO_FOLDER)
    assert cache_folder("a") == private / "a"
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    assert cache_folder("a") == private / "a"


def test_a_user_that_no_passwd_lists_has_a_cache_of_its_own(
    private: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 1 << 30)
    assert cache_folder("a") == private / "a"


def test_a_cache_that_another_user_made_is_not_written(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(open_folder / "home"))
    monkeypatch.setattr(tempfile, "tempdir", str(open_folder / "temporary"))
    with plain_user():
        assert cache_folder("a") == open_folder / "temporary" / f"crashmatrix-{os.geteuid()}" / "a"


def test_a_folder_that_others_may_write_is_refused(
    tmp_path: Path, private: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", NO_FOLDER)
    private.mkdir()
    private.chmod(0o777)
    with pytest.raises(HostError, match="is not a folder of this user alone; set CRASHMATRIX_CACHE"):
        cache_folder("a")
    private.rmdir()
    private.symlink_to(tmp_path)
    with pytest.raises(HostError, match="is not a folder of this user alone"):
        cache_folder("a")


def test_a_cache_that_was_asked_for_and_cannot_be_made_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRASHMATRIX_CACHE", NO_FOLDER)
    with pytest.raises(HostError, match=r"the cache cannot be made: .*; set CRASHMATRIX_CACHE to a folder"):
        cache_folder("a")
