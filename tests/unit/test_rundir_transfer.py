"""Files taken over into a merged run: regular ones of real folders only, linked or copied."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.pipeline.merge import MergeOptions, merge_runs
from orchestrator.rundir import RunFolder
from orchestrator.rundir.transfer import take_cell
from tests.unit import run_factory as factory

CELL = factory.cell()
NAME = f"cells/{CELL.id}"


@pytest.fixture
def part(tmp_path: Path) -> Path:
    """A run of one cell."""
    return factory.write_run(tmp_path / "part", factory.RunSpec(cells=(CELL,)))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder outside of every run."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "result.json").write_text("precious")
    return tmp_path / "home"


def merged(part: Path) -> Path:
    """What a merge makes of one run."""
    into = part.parent / "merged"
    merge_runs([part], MergeOptions(into=into), lambda _: None)
    return into


def names(folder: Path) -> set[str]:
    """All that is in a folder, links included."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def test_links_in_a_cell_s_folder_are_left_out(part: Path, home: Path) -> None:
    (part / NAME / "trial-2").symlink_to(home)
    (part / NAME / "trial-1" / "core").symlink_to(home / "result.json")
    (part / NAME / "trial-1" / "nowhere").symlink_to(home / "no such file")
    found = merged(part) / NAME
    assert names(found) == {
        "result.json",
        "index.html",
        "trial-1",
        "trial-1/stdout.txt",
        "trial-1/stderr.txt",
    }
    assert not [path for path in found.rglob("*") if path.is_symlink()]


def test_a_pipe_in_a_cell_s_folder_is_left_out_and_not_waited_for(part: Path) -> None:
    os.mkfifo(part / NAME / "trial-1" / "pipe")
    assert "trial-1/pipe" not in names(merged(part) / NAME)


@pytest.mark.parametrize("linked", ["cells", str(Path(NAME).parent), NAME])
def test_a_cell_s_folder_that_is_reached_by_a_link_is_left_out(part: Path, linked: str) -> None:
    elsewhere = part.parent / "elsewhere"
    (part / linked).rename(elsewhere)
    (part / linked).symlink_to(elsewhere)
    data = merge_runs([part], MergeOptions(into=part.parent / "merged"), lambda _: None)
    assert data.by_id[CELL.id].result is None
    assert not list((part.parent / "merged").rglob("result.json"))


def test_images_that_are_reached_by_a_link_are_left_out(part: Path, home: Path) -> None:
    (part / "images").rename(part.parent / "elsewhere")
    (part / "images").symlink_to(home)
    assert not (merged(part) / "images").exists()


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder on another filesystem than the tests' own."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


def test_files_of_another_filesystem_are_copied(part: Path, memory: Path) -> None:
    assert memory.stat().st_dev != part.stat().st_dev
    merge_runs([part], MergeOptions(into=memory / "merged"), lambda _: None)
    assert (memory / "merged" / NAME / "result.json").read_bytes() == (
        part / NAME / "result.json"
    ).read_bytes()
    assert names(memory / "merged" / "images") == names(part / "images")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_files_of_another_user_are_copied_since_that_one_may_change_them_later(part: Path) -> None:
    os.chown(part / NAME / "result.json", 65534, 65534)
    into = merged(part)
    assert not (into / NAME / "result.json").samefile(part / NAME / "result.json")
    assert (into / NAME / "result.json").stat().st_uid == 0
    assert (into / NAME / "trial-1" / "stdout.txt").samefile(part / NAME / "trial-1" / "stdout.txt")


@pytest.mark.parametrize(
    "given", [False, pytest.param(True, marks=pytest.mark.skipif(os.geteuid() != 0, reason="root"))]
)
def test_of_an_image_that_two_runs_have_the_later_one_s_recipe_counts(tmp_path: Path, given: bool) -> None:
    parts = [
        factory.write_run(tmp_path / name, factory.RunSpec(cells=(CELL,), run=name)) for name in ("a", "b")
    ]
    for path in parts:
        (recipe,) = (path / "images").glob("*/Dockerfile")
        recipe.write_text(path.name)
        if given:
            os.chown(recipe, 65534, 65534)
    merge_runs(parts, MergeOptions(into=tmp_path / "merged"), lambda _: None)
    (recipe,) = (tmp_path / "merged" / "images").glob("*/Dockerfile")
    assert recipe.read_text() == "b"


def test_what_an_interrupted_merge_left_of_a_cell_is_removed(part: Path) -> None:
    old = part.parent / "merged" / NAME / "trial-9"
    old.mkdir(parents=True)
    take_cell(RunFolder(part), RunFolder(part.parent / "merged"), CELL, frozenset())
    assert not old.exists()
    assert (part.parent / "merged" / NAME / "result.json").is_file()
