"""How programs are run as root, and what is said where sudo refuses; `sudo` is the test's own program."""

import os
import threading
from pathlib import Path

import pytest
import tenacity

from orchestrator.adapters import process
from orchestrator.errors import ToolError
from orchestrator.images.network import ATTEMPTS, persistently


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


NOT_AGAIN = (
    "npm error code ETARGET\nnpm error notarget No matching version found for zig@999.0.0.",
    "ERROR: Could not find a version that satisfies the requirement foo==9 (from versions: 14.0, 26.4)",
    "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.",
    "tar: rootfs.tar: Wrote only 4096 of 10240 bytes: No space left on device",
    "[ERROR] Could not find artifact org.example:none:jar:1 in central",
)
AGAIN = (
    "",
    "npm error code ECONNRESET",
    # pip says so of an index that it could not reach.
    "ERROR: Could not find a version that satisfies the requirement packaging==26 (from versions: none)",
    "[ERROR] Could not transfer artifact org.example:some:jar:1 from/to central: Connection reset",
    "E: Failed to fetch  Hash Sum mismatch",
)


@pytest.mark.parametrize("said", [*NOT_AGAIN, *AGAIN])
def test_a_failure_that_would_come_again_is_not_met_again(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    attempts: list[str] = []

    def step() -> None:
        attempts.append(said)
        process.run(["sh", "-c", 'printf %s "$1" >&2; exit 1', "sh", said], hint="another")

    def no_wait(_seconds: float) -> None:
        return

    monkeypatch.setattr(tenacity, "sleep_using_event", lambda _event: no_wait)
    with pytest.raises(ToolError):
        persistently(step, threading.Event())()
    assert len(attempts) == (1 if said in NOT_AGAIN else ATTEMPTS)


def test_a_program_that_is_missing_is_looked_for_once() -> None:
    attempts: list[int] = []

    def step() -> None:
        attempts.append(1)
        process.run(["no-such-program"], hint="install it")

    with pytest.raises(ToolError, match="cannot be run"):
        persistently(step, threading.Event())()
    assert attempts == [1]
