"""Completion as a person has it: the one line of the help, then a tab in a new interactive shell."""

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrator.cli.help_text import EXAMPLES
from orchestrator.names import SHELLS

ROOT = Path(__file__).parents[2]
LONGEST = 120
"""Seconds for a shell on a busy machine; a wait ends as soon as its text is there."""
CODES = re.compile(rb"\x1b\[[0-9;?]*[a-zA-Z]|\x1b\(B")
ASKED = {b"\x1b[6n": b"\x1b[1;1R", b"\x1b[c": b"\x1b[?1;2c", b"\x1b[0c": b"\x1b[?1;2c"}
"""What a shell asks of its terminal, and the answer of one."""


@contextmanager
def terminal(command: list[str], home: Path) -> Iterator[int]:
    """An interactive shell of a user with this home, by its terminal's descriptor."""
    environment = {"HOME": str(home), "PATH": f"{home}/bin:/usr/bin:/bin", "TERM": "xterm", "PS1": "READY "}
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(home)
        os.execve(command[0], command, environment)  # noqa: S606 - no shell between
    try:
        yield terminal
    finally:
        os.close(terminal)
        os.waitpid(pid, 0)


def read_until(terminal: int, *wanted: bytes) -> bytes:
    """What a terminal shows, until all of these texts are in it."""
    seen, end = b"", time.monotonic() + LONGEST
    while time.monotonic() < end:
        ready, _, _ = select.select([terminal], [], [], 0.2)
        if not ready:
            continue
        new = os.read(terminal, 1 << 16)
        seen += new
        for question, answer in ASKED.items():
            if question in new:
                os.write(terminal, answer)
        if all(text in CODES.sub(b"", seen) for text in wanted):
            return CODES.sub(b"", seen)
    raise AssertionError(f"{wanted} did not come: {seen!r}")


@pytest.mark.parametrize("shell", SHELLS)
def test_the_line_of_the_help_makes_a_new_shell_complete_flags(shell: str, tmp_path: Path) -> None:
    program = shutil.which(shell, path="/usr/bin:/bin")
    if program is None:
        pytest.skip(f"{shell} is not installed")
    (tmp_path / "bin").mkdir()
    (tmp_path / ".config" / "fish").mkdir(parents=True)  # as fish's first start makes it
    own = tmp_path / "bin" / "crashmatrix"
    own.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -P -m orchestrator "$@"\n')
    own.chmod(0o755)
    line = next(line for line in EXAMPLES["completion"].splitlines() if f"completion {shell}" in line)
    subprocess.run(["/bin/sh", "-c", line], env={"HOME": str(tmp_path)}, check=True)
    command = [program, "-i"] if shell != "fish" else [program]
    with terminal(command, tmp_path) as screen:
        os.write(screen, b"echo in-the''-shell\n")
        read_until(screen, b"in-the-shell")
        os.write(screen, b"crashmatrix run --re\t\t")
        # Of `--reports` and `--resume`: fish colours what was typed apart from what it offers.
        seen = read_until(screen, b"ports", b"sume")
        os.write(screen, b"\x03\x04")
    assert b"not found" not in seen
