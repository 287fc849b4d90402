"""The place in an error of a full disk, also where the system's own error has none."""

import errno
import os
from collections import namedtuple
from pathlib import Path

import pytest

from orchestrator.adapters import room

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on a disk that is full; every other has room."""

    def usage(place: Path) -> Usage:
        return Usage(100, 0, 0 if Path(place) == tmp_path else 1 << 30)

    monkeypatch.setattr("shutil.disk_usage", usage)
    return tmp_path


def error(number: int, *name: str) -> OSError:
    return OSError(number, os.strerror(number), *name)


def test_the_disk_that_is_full_is_named(full: Path) -> None:
    said = str(room.explained(error(errno.ENOSPC), full, Path("/")))
    assert said == f"No space left on device: {full}; make room there, then continue with --resume"


def test_the_folder_of_temporary_files_is_looked_at_too(full: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(full))
    assert str(full) in room.explained(error(errno.ENOSPC)).what


def test_an_error_with_a_path_keeps_it(full: Path) -> None:
    assert room.explained(error(errno.EROFS, "/some/file"), full).what == "/some/file: Read-only file system"


def test_another_error_is_not_blamed_on_a_disk(full: Path) -> None:
    assert str(room.explained(error(errno.EIO), full)) == "Input/output error; continue with --resume"
    gone = str(room.explained(error(errno.ENOENT, "/some/file"), full))
    assert gone == "/some/file: No such file or directory; continue with --resume"
