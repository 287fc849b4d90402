"""Runs alone, in a process of its own: prints the Python stacks of a core as JSON, and decides nothing.

The one module that uses pystack. Its parser is C++ and the core is hostile, so what it does to its own
process must not matter. Its names of threads come from whatever runs on this host now, and its source
lines from this host's files, so neither is asked for.
"""

import json
import sys
from pathlib import Path

import pystack
from pystack.engine import NativeReportingMode, StackMethod, get_process_threads_for_core
from pystack.errors import PystackError


def main() -> int:
    """Arguments: core, executable, folders to look for libraries in, as in PATH, most frames of a thread."""
    core, program = (Path(argument) for argument in sys.argv[1:3])
    folders, most = sys.argv[3], int(sys.argv[4])
    try:
        threads = list(
            get_process_threads_for_core(
                core, program, folders, native_mode=NativeReportingMode.OFF, method=StackMethod.ALL
            )
        )
    except (PystackError, RuntimeError, OSError, UnicodeDecodeError) as error:
        sys.stderr.write(f"{' '.join(str(error).split())}\n")
        return 1
    answer = {
        "version": pystack.__version__,
        "threads": [
            {
                "tid": thread.tid,
                "gil": thread.holds_the_gil > 0,
                "frames": [
                    {
                        "function": frame.code.scope,
                        "file": frame.code.filename,
                        "line": frame.code.location.lineno,
                        "entry": bool(frame.is_entry),
                    }
                    for _, frame in zip(range(most), thread.frames, strict=False)
                ],
            }
            for thread in threads
        ],
    }
    json.dump(answer, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
