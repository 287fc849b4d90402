"""The one place that runs programs on the host."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from orchestrator.adapters.jail import Jail, start_in
from orchestrator.adapters.network import proxies
from orchestrator.errors import ToolError, TransientError

MOST = 64 << 20
"""Bytes that are read of each output stream of a program in a jail."""
LAST_LINES = 12
"""Lines of a failed program's stderr that an error shows: enough for the causes that apt and gdb give."""
ROOT_HINT = "run `sudo -v` first so that sudo does not ask, or run as root"
ROOT_UMASK = 0o022
"""The umask for files of root: sudo keeps a stricter one of the user, who could not read setup's record."""
DAEMON_TIMEOUT = 10
"""Seconds within which a daemon detaches, and within which a killed one is gone."""


FINAL = re.compile(
    r"""No\ space\ left\ on\ device | ENOSPC | Disk\ quota\ exceeded | Read-only\ file\ system
    | code\ (?:E404|ETARGET|EACCES|EROFS)\b                                       # npm
    | \(from\ versions:\ (?!none\)) | DO\ NOT\ MATCH\ THE\ HASHES                # pip; none: it saw no index
    | Could\ not\ find\ artifact                                                # Maven
    """,
    re.VERBOSE,
)
"""Messages of programs about failures that a retry cannot mend."""

_Running = subprocess.Popen[bytes]
_Sink = IO[bytes] | int


@dataclass(frozen=True, kw_only=True)
class Completed:
    """A program that ended: exit status (negative: the signal that killed it) and its output."""

    args: tuple[str, ...]
    status: int
    stdout: bytes
    stderr: bytes

    @property
    def text(self) -> str:
        """stdout as text; undecodable bytes are replaced, since tools print file names as they are."""
        return self.stdout.decode(errors="replace")

    @property
    def complaint(self) -> str:
        """The last lines of stderr, for an error message."""
        lines = self.stderr.decode(errors="replace").strip().splitlines()
        return "\n".join(lines[-LAST_LINES:])


def failure(what: str, said: str, hint: str) -> ToolError:
    """The error of a program that failed: transient, unless what it `said` is final."""
    kind = ToolError if FINAL.search(said) else TransientError
    return kind(what, hint=hint)


def find(program: str) -> str | None:
    """The path of a program, looking in the system folders that a plain user's PATH leaves out."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    return shutil.which(program, path=path)


def is_root() -> bool:
    """Whether this process may change the host without sudo."""
    return os.geteuid() == 0


def as_root(args: Sequence[str]) -> tuple[str, ...]:
    """The command line that runs `args` as root: unchanged for root, else by a sudo that never asks.

    sudo drops the proxy variables unless it is told to keep them.
    """
    if is_root():
        return tuple(args)
    kept = [name for name in proxies() if name in os.environ]
    return ("sudo", "-n", *([f"--preserve-env={','.join(kept)}"] if kept else []), *args)


def run(  # noqa: PLR0913 - subprocess.run has them all
    args: Sequence[str],
    *,
    hint: str,
    root: bool = False,
    check: bool = True,
    timeout: float | None = None,
    stdin: bytes | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    jail: Jail | None = None,
) -> Completed:
    """Run a program to its end; `timeout` is in seconds.

    Raises ToolError with `hint` as the next step where the program is missing, and TransientError where it
    takes too long or (with `check`) ends with another status than 0, unless its reason is final (`failure`);
    where sudo itself refused, the next step is ROOT_HINT.
    """
    argv = as_root(args) if root else tuple(args)

    def start(stdout: _Sink = subprocess.PIPE, stderr: _Sink = subprocess.PIPE) -> _Running:
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=stdout,
            stderr=stderr,
            env=None if env is None else {**os.environ, **env},
            cwd=cwd,
            umask=ROOT_UMASK if root else -1,
            # A terminal that controls a program takes what it pushes back as typed by the user.
            start_new_session=jail is not None,
        )

    try:
        if jail:
            stdout, stderr, running = _confined(jail, start, stdin, timeout)
        else:
            with start() as running:
                stdout, stderr = _communicate(running, stdin, timeout)
    except (FileNotFoundError, PermissionError) as error:
        raise ToolError(f"{argv[0]} cannot be run: {error.strerror}", hint=hint) from error
    except subprocess.TimeoutExpired as error:
        raise TransientError(f"{args[0]} did not end within {timeout:g} s", hint=hint) from error
    completed = Completed(args=argv, status=running.returncode, stdout=stdout, stderr=stderr)
    if check and root and completed.status == 1 and completed.complaint.startswith("sudo: "):
        raise ToolError(f"{args[0]} needs root; {completed.complaint}", hint=ROOT_HINT)
    if check and completed.status != 0:
        said = f": {completed.complaint}" if completed.complaint else ""
        errors = completed.stderr.decode(errors="replace")
        raise failure(f"{args[0]} ended with status {completed.status}{said}", errors, hint)
    return completed


def _confined(
    jail: Jail, start: Callable[[IO[bytes], IO[bytes]], _Running], stdin: bytes | None, timeout: float | None
) -> tuple[bytes, bytes, _Running]:
    """Run an untrusted program: its output goes to files, of which at most MOST bytes are read."""
    with TemporaryFile() as stdout, TemporaryFile() as stderr:
        with start_in(jail, lambda: start(stdout, stderr)) as running:
            _communicate(running, stdin, timeout)
        return _head(stdout), _head(stderr), running


def _head(stream: IO[bytes]) -> bytes:
    stream.seek(0)
    return stream.read(MOST)


class Prepared:
    """An untrusted program that is started before its input is known, for which it waits on stdin.

    It is confined from its start, and serves once. Without input it must end at the end of stdin, so that it
    does not outlive this process. Raises ToolError where it cannot be started.
    """

    def __init__(self, args: Sequence[str], *, hint: str) -> None:
        self._args = tuple(args)
        self._stdout, self._stderr = TemporaryFile(), TemporaryFile()  # noqa: SIM115 - `end` closes them
        try:
            self._running = start_in(Jail(), self._start)
        except OSError as error:
            self._close()
            raise ToolError(f"{args[0]} cannot be run: {error.strerror}", hint=hint) from error

    def finish(self, stdin: bytes, *, hint: str, timeout: float) -> Completed:
        """Give it its input and wait for its end; raises TransientError where it takes too long."""
        try:
            with self._running as running:
                _communicate(running, stdin, timeout)
            stdout, stderr = _head(self._stdout), _head(self._stderr)
        except subprocess.TimeoutExpired as error:
            raise TransientError(f"{self._args[0]} did not end within {timeout:g} s", hint=hint) from error
        finally:
            self._close()
        return Completed(args=self._args, status=running.returncode, stdout=stdout, stderr=stderr)

    def end(self) -> None:
        """End it without input."""
        with self._running as running:
            running.kill()
        self._close()

    def _start(self) -> _Running:
        return subprocess.Popen(
            self._args, stdin=subprocess.PIPE, stdout=self._stdout, stderr=self._stderr,
            start_new_session=True,
        )  # fmt: skip

    def _close(self) -> None:
        self._stdout.close()
        self._stderr.close()


def _communicate(
    running: subprocess.Popen[bytes], stdin: bytes | None, timeout: float | None
) -> tuple[bytes, bytes]:
    """As subprocess.run does it: whatever happens, the program is gone afterwards."""
    try:
        return running.communicate(stdin, timeout)
    except BaseException:
        running.kill()
        raise


def spawn_daemon(args: Sequence[str], *, pid_file: Path, log: Path, hint: str) -> int:
    """Start a daemon as root, in its own session, with its output in `log`; returns its pid.

    dpkg's start-stop-daemon does the detaching, so that the pid is the daemon's own under sudo too
    (sudo would stay as its parent), and the pid file is written before this returns. Whether the
    daemon then serves is for the caller to wait for. Raises ToolError.
    """
    program, starter = find(args[0]), find("start-stop-daemon")
    if program is None or starter is None:
        raise ToolError(f"{args[0] if starter else 'start-stop-daemon'} is not installed", hint=hint)
    run(["mkdir", "-p", str(pid_file.parent), str(log.parent)], root=True, hint=hint)
    run(
        [starter, "--start", "--background", "--make-pidfile", "--pidfile", str(pid_file),
         "--output", str(log), "--startas", program, "--", *args[1:]],
        root=True, timeout=DAEMON_TIMEOUT, hint=hint,
    )  # fmt: skip
    return int(pid_file.read_text())


def stop_daemon(pid: int, *, grace: int, hint: str) -> None:
    """End a daemon as root: TERM, `grace` seconds, then KILL. One that is gone already is fine."""
    starter = find("start-stop-daemon")
    if starter is None:
        raise ToolError("start-stop-daemon is not installed", hint=hint)
    stages = f"TERM/{grace}/KILL/{DAEMON_TIMEOUT}"
    run([starter, "--stop", "--oknodo", "--pid", str(pid), "--retry", stages], root=True, hint=hint)
