"""Code of the user's own on real containers: a project of one file, and what is said of its ends."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from orchestrator.adapters.engine.volumes import OWN_NAME
from orchestrator.model import Explanations, OutcomeKind, Verdict
from tests.integration.runs import ROOT, Run, run

REPRO = """\
import ctypes, os, sys
import helper

print(sys.argv[1:], os.environ["MINE"], open("da ta/\\u00e9 'x\\".txt").read(), os.getcwd(), sys.path[0])
open("written", "x").close()
python = sys.version_info[:2]
if python == (3, 11):
    ctypes.string_at(0)
if python == (3, 13):
    import nosuch
if python == (3, 14):
    sys.exit("no database")
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A user's project: an empty matrix.yaml, code, and no scenario yet."""
    project = tmp_path / "project"
    (project / "da ta").mkdir(parents=True)
    (project / "scenarios").mkdir()
    (project / "matrix.yaml").write_text("schema: 1\n")
    (project / "helper.py").write_text("")
    (project / "da ta" / "é 'x\".txt").write_text("data")
    return project


def ask(project: Path, scenario: str, *arguments: str) -> Run:
    (project / "scenarios" / "repro.yaml").write_text(f"schema: 1\n{scenario}\n")
    return run(*arguments, reports=project / "reports", project=project)


def test_a_script_ends_as_it_does_and_each_end_is_said_in_plain_words(own: Path) -> None:
    (own / "repro.py").write_text(REPRO)
    glibcs = ("--glibc", "2.31,2.36,2.41,2.43", "--python", "3.9,3.11,3.13,3.14", "-k", "ready")
    scenario = "script: repro.py\narguments: [a b, --]\nenv: {MINE: 'x=y z'}\ntrials: 2"
    ended = ask(own, scenario, *glibcs)
    assert ended.code == 1, ended.stdout + ended.stderr
    results = {
        result.cell.python: result for result in ended.results.values() if result.cell.python != "3.14"
    }
    assert {
        python: (result.judgement.verdict, result.judgement.reason) for python, result in results.items()
    } == {
        "3.9": (Verdict.PASS, "ended cleanly; rate under 78 % with 95 % confidence after 2 trials"),
        "3.11": (Verdict.FAIL, results["3.11"].judgement.reason),
        "3.13": (Verdict.FAIL, "ModuleNotFoundError: No module named 'nosuch'"),
    }
    crash = results["3.11"].trials[0].crash
    assert crash
    assert results["3.11"].judgement.reason.startswith(f"{crash.signature} (libc.so.6, called from _ctypes.")
    assert crash.signature == "SIGSEGV strlen"  # ctypes, which called it, is part of the interpreter
    for trial in results["3.9"].trials:
        said = (ended.folder / trial.outcome.stdout).read_text()
        assert said == "['a b', '--'] x=y z data /work/project /work/project\n"
    assert "no database" in ended.stdout
    assert "exit status 1: no database" in (ended.folder / "junit.xml").read_text()
    found = Explanations.model_validate_json((ended.folder / "explanations.json").read_text()).explanations
    assert found
    assert not any(results["3.13"].cell.id in item.cells for item in found), (
        "an import that failed shows nothing"
    )


@pytest.mark.parametrize(("network", "seen"), [("false", "['lo']"), ("true", "['eth0', 'lo']")])
def test_a_command_is_found_by_path_and_has_a_network_only_where_it_is_asked_for(
    own: Path, network: str, seen: str
) -> None:
    (own / "tool.sh").write_text('#!/bin/sh\necho $1 >&2\nexec python3 -c "$2"\n')
    (own / "tool.sh").chmod(0o755)
    code = "import os; print(sorted(os.listdir('/sys/class/net')))"
    scenario = f'command: [./tool.sh, hello, "{code}"]\nnetwork: {network}'
    ended = ask(own, scenario, "--python", "3.11", "--glibc", "2.36")
    assert ended.code == 0, ended.stdout + ended.stderr
    (result,) = ended.results.values()
    (trial,) = result.trials
    assert (ended.folder / trial.outcome.stdout).read_text() == f"{seen}\n"
    assert (ended.folder / trial.outcome.stderr).read_text() == "hello\n"
    assert result.network is (network == "true")
    assert ("--network" in result.by_hand) is (network == "false")
    said = "the container had a network" in (ended.folder / "junit.xml").read_text()
    assert said is (network == "true")


WRITES = """\
#!/usr/bin/env python3
import os
for folder in ("/var/tmp", "/var/a,b", "/etc", "/tmp", "."):
    try:
        open(folder + "/written", "w").close()
        print(folder, "written", sorted(os.listdir(folder)))
    except OSError as error:
        print(folder, error.strerror, len(os.listdir(folder)))
room = [os.statvfs(place) for place in ("/tmp", "/dev/shm")]
print([place.f_blocks * place.f_frsize >> 20 for place in room])
print(os.getuid(), open("/proc/self/status").read().partition("CapPrm:")[2].split()[0])
"""


DECLARES = """\
USER 0:0
RUN mkdir "/var/a,b"
VOLUME ["/var/tmp", "/var/a,b", "/etc/", "/tmp"]
USER 1000:1000
"""


def test_the_command_by_hand_has_the_restrictions_of_the_cell(own: Path) -> None:
    """Also for folders that the image declares as volumes, which the engine alone would leave writable."""
    (own / "writes.py").write_text(WRITES)
    (own / "writes.py").chmod(0o755)
    (own / "images").mkdir()
    text = (ROOT / "images/Dockerfile.cell.j2").read_text()
    (own / "images/Dockerfile.cell.j2").write_text(text + DECLARES)
    ended = ask(own, "command: [./writes.py]", "--python", "3.11", "--glibc", "2.36")
    assert ended.code == 0, ended.stdout + ended.stderr
    (result,) = ended.results.values()
    said = (ended.folder / result.trials[0].outcome.stdout).read_text()
    assert said.count("Read-only file system") == 3
    for _ in range(2):
        done = subprocess.run(shlex.split(result.by_hand), capture_output=True, text=True, check=False)
        assert done.stdout == said, done.stderr
    left = re.findall("cm-[0-9a-f]{12}-[1-9]", result.by_hand)
    assert len(left) == 3
    assert all(OWN_NAME.fullmatch(name) for name in left), "the next run removes them"
    subprocess.run(["/usr/bin/env", "docker", "volume", "rm", "--force", *left], check=True)


TAKES = """\
block = bytearray(192 << 20)
block[::4096] = b"x" * len(block[::4096])
"""


@pytest.mark.parametrize(("memory", "kind"), [("128MiB", OutcomeKind.OOM), ("512MiB", OutcomeKind.EXIT)])
def test_the_memory_limit_is_the_scenarios(own: Path, memory: str, kind: OutcomeKind) -> None:
    (own / "repro.py").write_text(TAKES)
    ended = ask(
        own,
        f"script: repro.py\nmemory: {memory}",
        "--python",
        "3.11",
        "--glibc",
        "2.36",
        "--launcher",
        "plain",
    )
    (result,) = ended.results.values()
    (trial,) = result.trials
    assert trial.outcome.kind is kind, ended.stdout + ended.stderr
    said = "killed by the kernel, over its memory limit of 128 MiB" in result.judgement.reason
    assert said is (kind is OutcomeKind.OOM)
    assert f"{result.memory >> 20}MiB" == memory
    assert f"--memory {memory[:-2].lower()} " in result.by_hand


def test_a_program_that_is_not_there_is_told_and_asks_nothing_else(own: Path) -> None:
    ended = ask(own, "command: [no-such-program]", "--python", "3.11", "--glibc", "2.36")
    (result,) = ended.results.values()
    assert (
        result.judgement.reason == "exit status 127: cannot start no-such-program: No such file or directory"
    )
    (trial,) = result.trials
    assert (trial.outcome.kind, ended.code) == (OutcomeKind.EXIT, 1)
