"""Crash a bug of one of the modules beside this file in five processes, one after another; the axis `bug` names it.

Each is a process of its own, started from a program that has not crashed. Five in one container need no five containers.
"""

import importlib
import os
import subprocess
import sys

TIMES = 5


def main() -> None:
    module, bug = os.environ["CRASHMATRIX_SCENARIO"], os.environ["CRASHMATRIX_BUG"]
    if len(sys.argv) > 1:
        getattr(importlib.import_module(module), bug)()
    else:
        ends = [subprocess.run([sys.executable, __file__, "now"]).returncode for _ in range(TIMES)]
        print(bug, "ended with", ends)


if __name__ == "__main__":
    main()
