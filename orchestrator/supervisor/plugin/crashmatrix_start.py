"""Start pytest as `python -m pytest` does, with the plugin that lies beside this file."""

from __future__ import annotations

import os
import runpy
import sys

PLUGIN = "crashmatrix_pytest"


def main() -> None:
    """Give `sys.path` what `-m` gives it, the plugin's folder last of all, and run pytest."""
    if not (sys.flags.isolated or getattr(sys.flags, "safe_path", False)):
        sys.path[0] = os.getcwd()
    sys.path.append(os.path.dirname(os.path.abspath(__file__)))
    sys.argv[1:1] = ["-p", PLUGIN]
    runpy.run_module("pytest", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
