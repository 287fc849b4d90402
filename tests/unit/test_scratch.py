"""Temporary folders of cores: those of killed processes are removed by the next command, others stay."""

import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import pytest

from orchestrator.scratch import LOCK, remove_dead, scratch_folder

ROOT = Path(__file__).parents[2]
HOLDER = """
import os, sys, time
from orchestrator.scratch import scratch_folder
with scratch_folder("core") as folder:
    (folder / "core").write_text("memory of a process")
    print(folder, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def holder(temporary: Path) -> tuple[subprocess.Popen[str], Path]:
    """A process that uses a scratch folder, and that folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_a_folder_is_there_and_then_gone(temporary: Path) -> None:
    with scratch_folder("core") as folder:
        assert folder.parent == temporary
        (folder / "core").write_text("x")
        assert remove_dead(temporary) == []
        assert (folder / "core").exists()
    assert list(temporary.iterdir()) == []


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_uses_stays(temporary: Path) -> None:
    (dead, left), (living, used) = holder(temporary), holder(temporary)
    try:
        assert remove_dead(temporary) == []
        dead.send_signal(signal.SIGKILL)
        dead.wait()
        assert (left / "core").exists()
        assert remove_dead(temporary) == [left]
        assert not left.exists()
        assert (used / "core").exists()
    finally:
        for process in (dead, living):
            process.kill()
            process.communicate()


KILLED: Final = """
import os, signal, sys
from pathlib import Path
from orchestrator.scratch import scratch_folder
place, left = sys.argv[1], int(sys.argv[2])
CALLS = ("os.mkdir", "os.rmdir", "os.remove", "os.rename", "open", "shutil.rmtree", "os.scandir")

def kill_at_last(event, arguments):
    global left
    if event == "fcntl.flock" or event in CALLS and place in str(arguments[0]):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(kill_at_last)
with scratch_folder("core", Path(place)) as folder:
    (folder / "below").mkdir()
    (folder / "below/core").write_text("memory of a process")
    (folder / "a core").write_text("memory of a process")
"""


def test_at_whatever_call_it_is_killed_a_process_leaves_nothing_for_good(temporary: Path) -> None:
    for number in itertools.count(1):
        command = [sys.executable, "-c", KILLED, str(temporary), str(number)]
        status = subprocess.run(command, cwd=ROOT, check=False).returncode
        remove_dead(temporary)
        assert list(temporary.rglob("*")) == [], f"killed at call {number}"
        if status == 0:
            break
    assert number > 12


def test_the_next_command_cleans_up(temporary: Path) -> None:
    process, left = holder(temporary)
    process.kill()
    process.communicate()
    core = ROOT / "tests/data/cores/plain.core.zst"
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator", "analyze", str(core), "--backend", "elf", "--json"],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not left.exists()
    assert list(temporary.iterdir()) == []


def test_what_may_be_of_others_stays(temporary: Path) -> None:
    (temporary / "crashmatrix-my-project").mkdir()
    old = time.time() - 10 * 24 * 3600
    os.utime(temporary / "crashmatrix-my-project", (old, old))
    elsewhere = temporary / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / LOCK).touch()
    (temporary / "crashmatrix-core-link").symlink_to(elsewhere)
    pipe = temporary / "crashmatrix-core-pipe"
    pipe.mkdir()
    os.mkfifo(pipe / LOCK)
    (temporary / "crashmatrix-core-file").touch()
    (temporary / "crashmatrix-core-chapters").mkdir(0o755)
    (temporary / "crashmatrix-core-of_notes").mkdir(0o700)
    (temporary / "crashmatrix-core-of_notes" / "note").touch()
    remove_dead(temporary)
    assert (temporary / "crashmatrix-my-project").is_dir()
    assert (elsewhere / LOCK).exists()
    assert (temporary / "crashmatrix-core-chapters").is_dir()
    assert (temporary / "crashmatrix-core-of_notes/note").exists()
    assert (temporary / "crashmatrix-core-file").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="to give a folder to another user takes root")
def test_the_folders_of_other_users_stay(temporary: Path) -> None:
    other = temporary / "crashmatrix-core-other"
    other.mkdir()
    (other / LOCK).touch()
    os.chown(other, 65534, 65534)
    assert remove_dead(temporary) == []
    assert other.is_dir()
