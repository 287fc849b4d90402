"""Start pytest as its command `pytest` does, with the plugin that lies beside this file."""

from __future__ import annotations

import os
import runpy
import sys

PLUGIN = "crashmatrix_pytest"


def main() -> None:
    """Run pytest; behind all else on `sys.path` come the current folder and the plugin's.

    `python -m pytest` has the current folder first, where the sources of an extension module, which hold no
    compiled file, hide the package that was built of them. The command `pytest` does not have it at all; in
    the last place it hides nothing.
    """
    if not (sys.flags.isolated or getattr(sys.flags, "safe_path", False)):
        del sys.path[0]
        sys.path.append(os.getcwd())
    sys.path.append(os.path.dirname(os.path.abspath(__file__)))
    sys.argv[1:1] = ["-p", PLUGIN]
    runpy.run_module("pytest", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
