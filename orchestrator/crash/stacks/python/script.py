"""Runs alone, in a process of its own: prints the Python stacks of a core as JSON, and decides nothing.

The one module that uses pystack. Its parser is C++ and the core is hostile, so what it does to its own
process must not matter. Its names of threads come from whatever runs on this host now, and its source
lines from this host's files, so neither is asked for.

It is started before its core is known, since its start takes longer than most cores, and waits on stdin for a
line of JSON; it ends where there is none.
"""

import json
import resource
import sys
from pathlib import Path

import pystack
from pystack.engine import NativeReportingMode, StackMethod, get_process_threads_for_core
from pystack.errors import PystackError


def main() -> int:
    """The line has core, executable, folders to look for libraries in, as in PATH, and limits."""
    line = sys.stdin.readline()
    if not line:
        return 0
    order = json.loads(line)
    core, program, folders = Path(order["core"]), Path(order["program"]), order["folders"]
    most = order["frames"]
    for limit, value in ((resource.RLIMIT_AS, order["memory"]), (resource.RLIMIT_FSIZE, order["written"])):
        lower(limit, value)
    lower(resource.RLIMIT_CORE, 0)
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


def lower(limit: int, value: int) -> None:
    """Set a limit of this process, for good; a lower one that it has already stays."""
    _, most = resource.getrlimit(limit)
    least = value if most == resource.RLIM_INFINITY else min(value, most)
    resource.setrlimit(limit, (least, least))


if __name__ == "__main__":
    sys.exit(main())
