"""A cell's container without a container: its files in a folder, and the supervisor as a process."""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

from orchestrator.execute.command import ISOLATED
from orchestrator.launchers import LAUNCHERS
from orchestrator.supervisor.paths import MARK_VARIABLE

FAKE_UWSGI = """#!/usr/bin/env python3
import os, signal, socket, sys, time
host, port = sys.argv[sys.argv.index("--http-socket") + 1].split(":")
"""


class Cell:
    """A cell image's folders in a scratch folder: supervisor, scenario, launcher, working folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.output = b""
        self.work = root / "work"
        self.variables = {MARK_VARIABLE: "<MARK>"}
        for name in ("work", "scenario", "bin", "path"):
            (root / name).mkdir()
        # `python3` is this interpreter, not a version manager's shim, which takes longer than the driver.
        (root / "path" / "python3").symlink_to(Path(sys.executable).resolve())
        for launcher in LAUNCHERS.values():
            for name, path in launcher.container_files().items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, root / name)

    def driver(self, text: str) -> None:
        (self.root / "scenario" / "driver.py").write_text(text)

    def uwsgi(self, text: str) -> None:
        program = self.root / "bin" / "uwsgi"
        program.write_text(FAKE_UWSGI + text)
        program.chmod(program.stat().st_mode | stat.S_IXUSR)

    def application(self, text: str) -> None:
        """An application `app:application`; `python3` is the tests' own, which has gunicorn and gevent."""
        (self.root / "scenario" / "app.py").write_text(text)
        (self.root / "path" / "python3").unlink(missing_ok=True)
        program = self.root / "path" / "python3"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        program.chmod(0o755)

    def start(
        self,
        launcher: str = "plain",
        timeout: float = 20,
        *more: str,
        target: str = "driver",
        file: str = "driver.py",
    ) -> subprocess.Popen[bytes]:
        command = [sys.executable, ISOLATED, str(self.root / "supervisor"), "--launcher", launcher]
        command += ["--report", str(self.root / "report"), "--target", target, file]
        command += ["--timeout", str(timeout), *more]
        (self.root / "report").unlink(missing_ok=True)
        path = f"{self.root / 'path'}:{os.environ['PATH']}"
        return subprocess.Popen(
            command, cwd=self.work, env=os.environ | self.variables | {"PATH": path},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, launcher: str = "plain", timeout: float = 20) -> dict[str, Any]:
        process = self.start(launcher, timeout)
        process.communicate(timeout=30)
        assert process.returncode == 0
        return self.exit

    def share(self, count: int, wanted: str = "exit", *more: str) -> tuple[list[dict[str, Any]], list[bytes]]:
        """Run trials in one container; returns their exits, and stdout cut at the marks."""
        options = ("--trials", str(count), "--while", wanted, "--scratch", str(self.work))
        process = self.start("plain", 20, *options, *more)
        stdout, stderr = process.communicate(timeout=30)
        assert process.returncode == 0
        assert stdout.count(b"<MARK>") == stderr.count(b"<MARK>")
        return self.report["trials"], stdout.split(b"<MARK>")

    @property
    def report(self) -> dict[str, Any]:
        head, *trials = map(json.loads, (self.root / "report").read_text().splitlines())
        return {**head, "trials": trials}

    @property
    def exit(self) -> dict[str, Any]:
        (ended,) = self.report["trials"]
        return {**ended, **{name: self.report[name] for name in ("schema", "versions")}}


def kernel_tells() -> bool:
    """Whether this kernel tells how a process ended that another has reaped (Linux 6.15).

    By its release alone: what asks the kernel is under test.
    """
    release = re.match(r"(\d+)\.(\d+)", os.uname().release)
    return release is not None and (int(release[1]), int(release[2])) >= (6, 15)
