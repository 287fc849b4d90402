"""The disk of a container's /work: a program that fills it gets ENOSPC and a verdict that says so."""

import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from orchestrator.adapters.cache import VARIABLE
from orchestrator.adapters.engine import ContainerSpec, Ended, Engine
from orchestrator.adapters.workdisk import LOOPS, WorkDisk, close_dead
from orchestrator.errors import HostError, InputError
from orchestrator.model import DISK_FULL, LABEL, Verdict
from tests.integration.dying import LABELS
from tests.integration.mounts import small_disk
from tests.integration.runs import ROOT, Run, add_scenario, ask

SMALL = 64 << 20
OURS = f"{LABEL}.test"
"""The label that tells one container of these tests, and its volumes, from others."""
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
DECLARED = """\
import os
for folder in ("/var/tmp", "/etc", "/srv", "/tmp"):
    try:
        open(folder + "/written", "w").close()
        print("written")
    except OSError as error:
        print(error.strerror)
print(os.path.getsize("/etc/passwd") > 0)
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
        image=image,
        command=("python3", "-c", *command),
        hostname=hostname,
        labels={**LABELS, OURS: hostname},
        platform="linux/amd64",
        disk=SMALL,
    )
    try:
        ended = engine.run(engine.create(spec), lambda _, data: written.append(data))
    finally:
        engine.discard(hostname)
    assert hostname not in engine.label_values(OURS)
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


@pytest.fixture
def declaring(base_image: str) -> Iterator[Callable[[str], str]]:
    """Makes images that declare volumes, as a project's own Dockerfile can."""
    with ExitStack() as stack:

        def image(volumes: str) -> str:
            name = f"cm-test-declaring-{uuid.uuid4().hex[:12]}"
            docker("create", "--name", name, base_image, "-")
            stack.callback(docker, "rm", name)
            docker("commit", "--change", f"VOLUME {volumes}", name, name)
            stack.callback(docker, "rmi", name)
            return name

        yield image


def docker(*command: str) -> None:
    subprocess.run(["/usr/bin/env", "docker", *command], check=True, capture_output=True)


def test_a_volume_that_an_image_declares_is_read_only_and_keeps_its_files(
    engine: Engine, declaring: Callable[[str], str]
) -> None:
    image = declaring('["/var/tmp", "/etc/", "//srv", "/tmp/", "/work/../work"]')
    _, said = run_in(engine, image, DECLARED)
    assert said.split("\n") == [*["Read-only file system"] * 3, "written", "True", ""]
    ended, said = run_in(engine, image, FILL)
    assert (said.rpartition(" ")[0], ended.disk_full) == ("No space left on device", True)


def test_a_volume_at_a_relative_path_is_refused(engine: Engine, declaring: Callable[[str], str]) -> None:
    with pytest.raises(InputError, match="an image declares a volume at a relative path, 'data': cm-test-"):
        run_in(engine, declaring('["data"]'), DECLARED)


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
