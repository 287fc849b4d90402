"""The tutorial: each of its commands is run in order, and its quoted output is compared."""

import os
import pty
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.integration.runs import ROOT, command
from tests.integration.test_shell import read_until

TEXT = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
STEPS = [step for block in BLOCKS for step in block.splitlines()]
CELL, SENTENCE = re.findall(r"^ {4}(\S.*)$", TEXT, re.MULTILINE)
FRAMES = re.findall(r"^ {6}(\w+) {2,}\S*?([\w.]+:\d+)$", TEXT, re.MULTILINE)
SESSIONS = {"setup": "setup", "matrix": "run"}
"""What the sessions of noxfile.py run, in an environment that is made by then."""
FIXES = "./nox -s matrix -- --profile fixes"


def line_of(step: str, project: Path) -> list[str]:
    """The command line that does what a line of the tutorial does, in a copy of the project."""
    program, *words = shlex.split(step)
    if program == "./nox":
        _, session, *arguments = words
        words = [SESSIONS[session], *(word for word in arguments if word != "--")]
    line = command(*words, project=project)
    return [word for word in line if word not in ("--project", str(project))] if words[0] == "setup" else line


def typed(step: str, project: Path) -> str:
    """What a command prints, its lines joined."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    line = line_of(step, project)
    done = subprocess.run(line, cwd=project, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return " ".join(done.stdout.split())


def shell(step: str, project: Path) -> str:
    """What a shell shows on a terminal, in which somebody looks for gdb and the core, and leaves."""
    line = line_of(step, project)
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(ROOT)
        os.execv(line[0], line)  # noqa: S606 - a shell would be another process
    said = read_until(terminal, b"", b"cell$ ")
    os.write(terminal, b"ls /work/core; command -v gdb\n")
    said += read_until(terminal, b"", b"/gdb\r\n")
    os.write(terminal, b"exit\n")
    os.waitpid(child, 0)
    os.close(terminal)
    return said.decode(errors="replace")


def test_every_command_of_the_tutorial_shows_what_the_tutorial_says(project: Path) -> None:
    look, install, listing, run, again, inside, repeat = (step for step in STEPS if step != FIXES)
    typed(look, project)
    typed(install, project)
    listed = typed(listing, project)
    assert CELL in listed
    assert "12 cells run" in listed
    assert SENTENCE in typed(run, project)
    (folder,) = (path.parent for path in (project / "reports").glob("*/plan.json"))
    page = (folder / "cells" / CELL / "index.html").read_text(encoding="utf-8")
    assert len(FRAMES) == 4
    assert [part for frame in FRAMES for part in frame if part not in page] == []
    assert "near NULL: 0x0 bytes from a NULL pointer" in page
    assert "mov rdx, qword ptr [rax]" in page
    assert f"PASS 1/1 {CELL}" in typed(again, project)
    assert "SIGSEGV atexit_handler" in shell(inside, project)
    typed(repeat, project)
    (script,) = project.glob("*/run.sh")
    assert CELL in (script.parent / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_remedies_of_the_tutorial_are_in_one_table(project: Path) -> None:
    assert FIXES in STEPS
    told = typed(FIXES, project)
    assert "tls-atexit skip-atexit 3 of 3" in told
