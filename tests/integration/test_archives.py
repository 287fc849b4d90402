"""Images as an archive: saved, forgotten, loaded, and run without a build."""

import subprocess
from pathlib import Path

from orchestrator.adapters.engine import Engine
from tests.integration.runs import Run, command, run
from tests.integration.test_registry import image_of, new_project


def load(project: Path, archive: Path) -> subprocess.CompletedProcess[str]:
    line = command("images", "load", archive, project=project)
    return subprocess.run(line, capture_output=True, text=True, check=False)


def said(project: Path, *words: str | Path) -> str:
    done = subprocess.run(
        command("images", *words, project=project), capture_output=True, text=True, check=True
    )
    return done.stdout


def test_what_was_saved_is_loaded_where_it_lacks_whole_or_not_at_all(
    smoke_run: Run, engine: Engine, tmp_path: Path
) -> None:
    assert smoke_run.code == 0
    project, archive = new_project(tmp_path / "new"), tmp_path / "images.tar"
    assert run(reports=tmp_path / "first", project=project).code == 0
    key = said(project, "key")
    assert "2 images" in said(project, "save", archive)
    again = run(reports=tmp_path / "again", project=project)
    assert again.code == 0, again.stdout + again.stderr
    tag, log = image_of(again)
    assert not log.exists()
    engine.remove_image(tag)
    whole = archive.read_bytes()
    archive.write_bytes(
        whole[: len(whole) // 2] + bytes([whole[len(whole) // 2] ^ 1]) + whole[len(whole) // 2 + 1 :]
    )
    damaged = load(project, archive)
    assert (damaged.returncode, damaged.stderr.count("\n")) == (2, 1), damaged.stderr
    assert f"{archive}: this archive of images cannot be used: " in damaged.stderr
    assert tag.rpartition(":")[2] not in str(engine.images())
    archive.write_bytes(whole)
    assert f"{archive}: 1 images loaded, 1 were here, 0 are not in it" in said(project, "load", archive)
    second = run(reports=tmp_path / "second", project=project)
    assert second.code == 0, second.stdout + second.stderr
    assert not image_of(second)[1].exists()
    assert said(project, "key") == key
    (project / "repro.py").write_text("print('changed')\n")
    assert said(project, "key") != key
    assert "0 images loaded, 1 were here, 1 are not in it" in said(project, "load", archive)
    engine.remove_image(tag)
