"""Runs gunicorn as `python3 -m gunicorn` does, and records how its master saw each worker end.

It runs under the interpreter of the virtual environment, and imports nothing of this program.
"""

import os
import runpy
import sys


def record_ends(path: str) -> None:
    """Have `os.waitpid` add a line "WAITER PID STATUS" to a file for each process that it reaps.

    The master learns of an end by `os.waitpid` alone (gunicorn/arbiter.py, `reap_workers`).
    """
    wait = os.waitpid

    def waitpid(pid: int, options: int) -> "tuple[int, int]":
        ended, status = wait(pid, options)
        if ended:
            # One write of a short line: lines of several processes do not mix.
            file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                os.write(file, b"%d %d %d\n" % (os.getpid(), ended, status))
            finally:
                os.close(file)
        return ended, status

    os.waitpid = waitpid


if __name__ == "__main__":
    if "CRASHMATRIX_ENDS" in os.environ:
        record_ends(os.environ["CRASHMATRIX_ENDS"])
    sys.path[0] = os.getcwd()  # noqa: PTH109 - of Python 3.8, and as `-m` has it
    runpy.run_module("gunicorn", run_name="__main__", alter_sys=True)
