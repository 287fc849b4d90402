"""The disk of a container's /work: who fills it gets ENOSPC, the verdict says so, and nothing of it stays."""

import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from orchestrator.adapters.cache import VARIABLE
from orchestrator.adapters.engine import ContainerSpec, Ended, Engine
from orchestrator.adapters.workdisk import LOOPS, WorkDisk, close_dead
from orchestrator.errors import HostError
from orchestrator.model import DISK_FULL, Verdict
from tests.integration.dying import LABELS
from tests.integration.mounts import small_disk
from tests.integration.runs import ROOT, Run, add_scenario, ask

SMALL = 64 << 20
FILL = """\
import os, sys
file = os.open("filled", os.O_WRONLY | os.O_CREAT)
if "hidden" in sys.argv:
    os.unlink("filled")
written = 0
try:
    while written < 4 << 30:
        written += os.write(file, b"x" * (1 << 20))
except OSError as error:
    print(error.strerror, written >> 20)
"""
FILES = """\
import itertools
try:
    for number in itertools.count():
        open(f"file-{number}", "w").close()
except OSError as error:
    print(error.strerror, number)
"""
HELD = """\
import time
from orchestrator.adapters.workdisk import WorkDisk
with WorkDisk(64 << 20) as disk:
    print(disk.device, flush=True)
    time.sleep(60)
"""


def run_in(engine: Engine, image: str, *command: str) -> tuple[Ended, str]:
    """A container whose /work holds 64 MiB, which a Python program runs in; how it ended, and its output."""
    hostname, written = f"cm-{uuid.uuid4().hex[:12]}", list[bytes]()
    spec = ContainerSpec(
        image=image, command=("python3", "-c", *command), hostname=hostname, labels=LABELS,
        platform="linux/amd64", disk=SMALL,
    )  # fmt: skip
    try:
        ended = engine.run(engine.create(spec), lambda _, data: written.append(data))
    finally:
        engine.remove(hostname)
        engine.remove_volume(hostname)
    return ended, b"".join(written).decode()


@pytest.mark.parametrize(("program", "least"), [(FILL, 30), (FILES, 1000)])
def test_bytes_and_files_come_to_an_end(engine: Engine, base_image: str, program: str, least: int) -> None:
    ended, said = run_in(engine, base_image, program)
    words, _, amount = said.rpartition(" ")
    assert words == "No space left on device"
    assert least <= int(amount) < SMALL
    assert ended.disk_full


def test_a_file_without_a_name_comes_to_an_end_too(engine: Engine, base_image: str) -> None:
    _, said = run_in(engine, base_image, FILL, "hidden")
    assert said.startswith("No space left on device")
    assert int(said.split()[-1]) < SMALL >> 20


def test_a_container_that_writes_little_is_not_called_full(engine: Engine, base_image: str) -> None:
    ended, said = run_in(engine, base_image, "open('little', 'w').write('x'); print(open('little').read())")
    assert (ended.disk_full, said) == (False, "x\n")


def test_a_host_without_room_says_where_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with small_disk(tmp_path / "cache", 16) as cache:
        monkeypatch.setenv(VARIABLE, str(cache))
        with pytest.raises(HostError, match=r"no room for a container's /work \(64 MiB\)") as caught:
            WorkDisk(SMALL)
        assert str(cache) in str(caught.value)
        assert list((cache / "scratch").iterdir()) == []


def test_the_disk_of_a_killed_process_is_given_back_and_that_of_a_living_one_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    command = [sys.executable, "-c", HELD]
    killed = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert killed.stdout
    left = LOOPS / Path(killed.stdout.readline().strip()).name / "loop/backing_file"
    with WorkDisk(SMALL) as living:
        assert close_dead() == 0
        assert str(tmp_path) in left.read_text()
        killed.kill()
        killed.communicate()
        assert close_dead() == 1
        assert not left.exists() or str(tmp_path) not in left.read_text()
        assert [path.name for path in (tmp_path / "scratch").iterdir()] == [living.place.name]
    assert list((tmp_path / "scratch").iterdir()) == []


def test_the_verdict_of_a_cell_that_filled_its_disk_names_the_disk(project: Path, tmp_path: Path) -> None:
    add_scenario(project, "filled", "outcome: exit, status: 0", timeout=600)
    ended: Run = ask(project, tmp_path, "filled")
    assert ended.code == 1, ended.stdout + ended.stderr
    (result,) = ended.results.values()
    assert result.judgement.verdict is Verdict.FAIL
    assert result.judgement.reason.startswith("saw exit 1: OSError: [Errno 28] No space left on device")
    assert result.judgement.reason.endswith(DISK_FULL)
