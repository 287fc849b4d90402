"""Starts a tested process whose real, effective and saved user is this program's effective one."""

from __future__ import annotations

import errno
import os
import signal

DEFAULTS = (signal.SIGPIPE, signal.SIGXFSZ)
"""Signals that Python ignores, which a child would inherit."""


def spawn(command: list[str], environment: dict[str, str], folder: str) -> int:
    """Start a command in a folder; returns its pid. Raises OSError if it cannot be started.

    Not posix_spawn(3), which can set the effective user to the real one only.
    """
    reading, writing = os.pipe()
    with open(reading, "rb") as failure:
        pid = os.fork()
        if pid == 0:
            _become(command, environment, folder, writing)
        os.close(writing)
        said = failure.read()
    if said:
        os.waitpid(pid, 0)
        raise OSError(int(said), os.strerror(int(said)))
    return pid


def _become(command: list[str], environment: dict[str, str], folder: str, failure: int) -> None:
    """In the child: become the command, else write the error's number and end."""
    try:
        user = os.geteuid()
        os.setresuid(user, user, user)
        for number in DEFAULTS:
            signal.signal(number, signal.SIG_DFL)
        os.chdir(folder)
        _execute(command, environment)
    except OSError as error:
        os.write(failure, b"%d" % (error.errno or errno.EIO))
    finally:
        os._exit(127)


def _execute(command: list[str], environment: dict[str, str]) -> None:
    """Replace this process by a program that is looked for on this program's own PATH; raises OSError."""
    program = command[0]
    if "/" in program:
        os.execve(program, command, environment)
    errors = [_try(os.path.join(folder, program), command, environment) for folder in os.get_exec_path()]
    refused = (error for error in errors if error.errno == errno.EACCES)
    raise next(refused, FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)))


def _try(program: str, command: list[str], environment: dict[str, str]) -> OSError:
    """Replace this process by a program; returns why that is not possible where another may be: execvp(3)."""
    try:
        os.execve(program, command, environment)
    except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
        return error
