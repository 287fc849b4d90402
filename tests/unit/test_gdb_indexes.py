"""gdb's indexes, which it finds by build id: no program's are used for the cores of another."""

import hashlib
import os
from io import BytesIO
from pathlib import Path

import pytest

from orchestrator.adapters.cache import VARIABLE
from orchestrator.crash.stacks.gdb import indexes
from orchestrator.crash.stacks.gdb.indexes import index_folder


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache" / indexes.INDEXES


def sysroot(place: Path, **files: str) -> Path:
    (place / "lib").mkdir(parents=True)
    for name, content in files.items():
        (place / "lib" / name).write_text(content)
    return place


def test_the_same_files_share_a_folder_and_others_have_their_own(tmp_path: Path, cache: Path) -> None:
    first = sysroot(tmp_path / "1", python="the interpreter", extension="of a package")
    again = sysroot(tmp_path / "2", python="the interpreter", extension="of a package")
    forged = sysroot(tmp_path / "3", python="the interpreter", extension="with its build id")
    folders = [index_folder(place, tmp_path) for place in (first, again, forged)]
    assert folders[0] == folders[1]
    assert folders[2] != folders[0]
    assert all(folder.parent == cache and folder.is_dir() for folder in folders)


def test_more_than_can_be_compared_has_indexes_that_nobody_else_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexes, "LARGEST", 3)
    assert index_folder(sysroot(tmp_path / "large", python="four"), tmp_path).parent == tmp_path
    monkeypatch.setattr(indexes, "MOST_FILES", 1)
    assert index_folder(sysroot(tmp_path / "many", a="", b=""), tmp_path).parent == tmp_path


def test_the_oldest_folders_go(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexes, "MOST_KEPT", 2)
    made = []
    for number in range(4):
        made.append(index_folder(sysroot(tmp_path / str(number), python=str(number)), tmp_path))
        os.utime(made[-1], (number, number))
    assert sorted(cache.iterdir()) == sorted(made[2:])


def test_a_file_that_goes_while_the_files_are_compared_makes_the_indexes_nobody_elses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two cells of one image read cores: a file has another name until it is fetched."""
    (tmp_path / "scratch").mkdir()
    place = sysroot(tmp_path / "both", a="whole", tmp1="a part of b")
    digest = hashlib.file_digest

    def fetched(stream: BytesIO, name: str) -> object:
        (place / "lib" / "tmp1").rename(place / "lib" / "b")
        return digest(stream, name)

    monkeypatch.setattr(hashlib, "file_digest", fetched)
    assert index_folder(place, tmp_path / "scratch").parent == tmp_path / "scratch"
