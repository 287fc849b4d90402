"""A project that brings a git repository whose configuration and hooks name programs: none of them starts."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from orchestrator.adapters import git
from orchestrator.errors import InputError

GIT: Final = shutil.which("git") or "git"
SPY: Final = '#!/bin/sh\necho "$0 $*" >>{started}\ncat\n'


def command(folder: Path, *words: str) -> None:
    named = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main")
    subprocess.run([GIT, *named, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def started(tmp_path: Path) -> Path:
    """The file in which programs that were started leave their names."""
    return tmp_path / "started"


@pytest.fixture
def spy(tmp_path: Path, started: Path) -> Path:
    spy = tmp_path / "spy"
    spy.write_text(SPY.format(started=started))
    spy.chmod(0o755)
    return spy


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two commits; the second one has each text file filtered."""
    folder = tmp_path / "project"
    folder.mkdir()
    command(folder, "init")
    (folder / "a.txt").write_text("one\n")
    command(folder, "add", ".")
    command(folder, "commit", "-m", "one")
    (folder / "a.txt").write_text("two\n")
    (folder / ".gitattributes").write_text("*.txt filter=odd.name=x\n*.bin filter=other\n")
    (folder / "b.bin").write_text("two\n")
    command(folder, "add", ".")
    command(folder, "commit", "-m", "two")
    return folder


def settings(spy: Path) -> dict[str, str]:
    return {
        "core.fsmonitor": str(spy),
        "log.showSignature": "true",
        "gpg.program": str(spy),
        "core.sshCommand": str(spy),
        "core.pager": str(spy),
        "filter.odd.name=x.smudge": f"{spy} smudge",
        "filter.odd.name=x.required": "true",
        "filter.other.process": f"{spy} process",
        "filter.other.required": "true",
    }


def test_no_program_of_a_repository_is_started(repository: Path, spy: Path, started: Path) -> None:
    for name, value in settings(spy).items():
        command(repository, "config", name, value)
    hooks = repository / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for hook in ("post-index-change", "post-checkout", "reference-transaction"):
        shutil.copy(spy, hooks / hook)
    found = git.commits(repository, "HEAD~1", "HEAD")
    assert [commit.title for commit in found] == ["one", "two"]
    into = repository.parent / "out"
    git.write_files(repository, found[1].sha, into)
    assert ((into / "a.txt").read_text(), (into / "b.bin").read_text()) == ("two\n", "two\n")
    assert not started.exists(), started.read_text()


def test_an_object_that_is_missing_is_not_fetched(repository: Path, spy: Path, started: Path) -> None:
    """A partial clone fetches what it lacks from where, and by the program, that its configuration says."""
    sha = subprocess.run(
        [GIT, "rev-parse", "HEAD~1^{tree}"], cwd=repository, check=True, capture_output=True, text=True
    ).stdout.strip()
    found = git.commits(repository, "HEAD~1", "HEAD")
    (repository / ".git" / "objects" / sha[:2] / sha[2:]).unlink()
    for name, value in {
        "core.repositoryFormatVersion": "1",
        "extensions.partialClone": "origin",
        "remote.origin.promisor": "true",
        "remote.origin.url": f"ext::{spy} x",
        "protocol.ext.allow": "always",
    }.items():
        command(repository, "config", name, value)
    with pytest.raises(InputError, match="has no folder"):
        git.write_files(repository, found[0].sha, repository.parent / "out")
    assert not started.exists(), started.read_text()


def test_a_folder_of_a_clone_is_no_repository_of_its_own(repository: Path, spy: Path, started: Path) -> None:
    """Files that look like a bare repository come with any clone, and would bring a configuration."""
    bare = repository / "package"
    command(repository, "clone", "--bare", ".", str(bare))
    command(bare, "config", "core.fsmonitor", str(spy))
    with pytest.raises(InputError, match="no git repository has the folder"):
        git.commits(bare, "HEAD~1", "HEAD")
    assert not started.exists()


def test_the_user_s_own_filters_are_kept(
    repository: Path, spy: Path, started: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "gitconfig"
    own.write_text(f'[filter "other"]\n\tsmudge = {spy} mine\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(own))
    git.write_files(repository, git.commits(repository, "HEAD~1", "HEAD")[1].sha, tmp_path / "out")
    assert started.read_text() == f"{spy} mine\n"
