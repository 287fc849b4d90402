"""A shell in a cell, typed into on a real terminal."""

import os
import pty
import select
import subprocess
import time
from pathlib import Path

from orchestrator.model import LABEL_CELL
from tests.integration.runs import ROOT, command, run
from tests.integration.test_packages import HERE, only, project

TIMEOUT = 600
"""Seconds until a shell that hangs is given up; gdb is fetched within them."""


def read_until(terminal: int, said: bytes, word: bytes) -> bytes:
    """What the terminal shows until a word is in it, after what it has shown already."""
    deadline = time.monotonic() + TIMEOUT
    while word not in said:
        assert time.monotonic() < deadline, said.decode(errors="replace")
        if select.select([terminal], [], [], 1)[0]:
            try:
                piece = os.read(terminal, 1 << 16)
            except OSError:
                piece = b""
            assert piece, said.decode(errors="replace")
            said += piece
    return said


def test_a_shell_has_what_ran_its_core_and_gdb(tmp_path: Path) -> None:
    code = "import ctypes\nctypes.string_at(16)\n"
    folder = project(tmp_path / "project", "env: {WORD: spoken}\n", {"repro.py": code})
    result = only(run(*HERE, "--launcher", "plain", reports=tmp_path / "reports", project=folder))
    line = command("shell", result.cell.id, "--reports", tmp_path / "reports", project=folder)
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(ROOT)
        os.execv(line[0], line)  # noqa: S606 - a shell would be another process
    said = read_until(terminal, b"", b"cell$ ")
    assert b"SIGSEGV" in said
    assert b"its core: /work/core" in said
    for typed, shown in (
        ("stty size; echo $WORD-$CRASHMATRIX_GLIBC", b"spoken-2.36\r\n"),
        ("pwd; cat repro.py; echo end=$?", b"end=0\r\n"),
        ("python3 repro.py; echo status=$?", b"status=139\r\n"),
        ("gdb -batch -ex bt $(readlink -f $(command -v python3)) /work/core 2>&1; echo gdb=$?", b"gdb=0\r\n"),
    ):
        os.write(terminal, f"{typed}\n".encode())
        said += read_until(terminal, b"", shown)
    assert b"/work/project\r\n" in said
    assert b"in _ctypes" in said or b"string_at" in said or b"PyBytes_From" in said
    os.write(terminal, b"exit 7\n")
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 7
    names = [
        "/usr/bin/docker",
        "ps",
        "--all",
        "--quiet",
        "--filter",
        f"label={LABEL_CELL}={result.cell.id}#0",
    ]
    assert not subprocess.run(names, capture_output=True, text=True, check=True).stdout
