"""How programs are run as root, and what is said where sudo refuses; `sudo` is the test's own program."""

import os
from pathlib import Path

import pytest

from orchestrator.adapters import process
from orchestrator.errors import ToolError


@pytest.fixture
def sudo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sudo that gives root (here: runs the rest of its command line) where it may not ask."""
    program = tmp_path / "sudo"
    keeping = "case $1 in --preserve-env=*) shift;; esac"
    program.write_text(f'#!/bin/sh\ntest "$1" = -n || exit 9\nshift\n{keeping}\nexec "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(process, "is_root", lambda: False)
    return program


def test_a_sudo_that_would_ask_is_one_line_with_its_hint(sudo: Path) -> None:
    sudo.write_text('#!/bin/sh\necho "sudo: a password is required" >&2\nexit 1\n')
    with pytest.raises(ToolError, match="journalctl needs root; sudo: a password is required") as caught:
        process.run(["journalctl"], root=True, hint="another")
    assert caught.value.hint == process.ROOT_HINT


@pytest.mark.usefixtures("sudo")
def test_a_failure_of_the_program_itself_keeps_its_hint() -> None:
    with pytest.raises(ToolError, match="ended with status 1: sh: no") as caught:
        process.run(["sh", "-c", "echo sh: no >&2; exit 1"], root=True, hint="another")
    assert caught.value.hint == "another"


@pytest.mark.usefixtures("sudo")
def test_what_root_makes_can_be_read_whatever_the_users_umask() -> None:
    before = os.umask(0o077)
    try:
        as_root = process.run(["sh", "-c", "umask"], root=True, hint="-").text.strip()
        as_user = process.run(["sh", "-c", "umask"], hint="-").text.strip()
    finally:
        os.umask(before)
    assert (as_root, as_user) == ("0022", "0077")
