"""Named stacks that are kept on disk: another process has them, and nothing else takes them for its own."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.binary.core.corefile import Core
from orchestrator.crash.stacks import kept
from orchestrator.crash.stacks.cache import StackCache
from orchestrator.crash.stacks.elf import backend as elf_backend
from orchestrator.crash.stacks.reading import Reading
from tests.unit.real_cores import DATA, opened

IMAGE = "an image"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root/faults").mkdir(parents=True)
    shutil.copy(DATA / "tiny", tmp_path / "root/faults/tiny")
    return tmp_path / "root"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "kept").mkdir()
    return tmp_path / "kept"


def stored(core: Core, root: Path, folder: Path) -> Reading:
    """What the backend said, and what a cache of that folder has kept of it."""
    reading = replace(elf_backend.read_stacks(Path(), core, root), unsure=())
    StackCache(folder).store(core, root, IMAGE, reading, "an earlier core")
    return reading


def test_another_process_has_the_names(root: Path, folder: Path) -> None:
    with opened("tiny") as (_, core):
        reading = stored(core, root, folder)
        found = StackCache(folder).read(core, root, IMAGE)
        assert StackCache(folder).read(core, root, "another image") is None
        assert StackCache().read(core, root, IMAGE) is None
    assert found is not None
    assert found.threads[0].frames == reading.threads[0].frames
    assert found.named_from is not None
    assert "gave an earlier core" in found.named_from


@pytest.mark.parametrize("damage", [b"", b"{}", b"[1", b"\xff" * 100, b'{"frames": []}'])
def test_a_damaged_file_is_not_used_and_is_written_again(root: Path, folder: Path, damage: bytes) -> None:
    with opened("tiny") as (_, core):
        stored(core, root, folder)
        for path in folder.iterdir():
            path.write_bytes(damage)
        assert StackCache(folder).read(core, root, IMAGE) is None
        stored(core, root, folder)
        assert StackCache(folder).read(core, root, IMAGE) is not None


def test_another_version_of_the_program_has_none(
    root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened("tiny") as (_, core):
        stored(core, root, folder)
        monkeypatch.setattr(kept, "_program", lambda: "another")
        assert StackCache(folder).read(core, root, IMAGE) is None


def test_the_older_half_makes_room(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MAX_KEPT", 4)
    stacks = kept.KeptStacks(folder, int)
    for number in range(7):
        stacks.put(number, number)
        assert len(list(folder.iterdir())) <= 4
    assert stacks.get(6) == 6
    assert stacks.get(0) is None


def test_a_folder_that_is_not_there_keeps_none(tmp_path: Path) -> None:
    stacks = kept.KeptStacks(tmp_path / "none", int)
    stacks.put(1, 1)
    assert stacks.get(1) is None
