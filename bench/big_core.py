"""`nox -s bench -- big-core`: a core of 1.1 GB with 170 threads, read without gdb.

A real one: a Python process that touches as much memory, starts as many threads, and dies of a SIGSEGV.
It is read in a process of its own, whose time and peak memory are printed beside what they may be.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from orchestrator.binary.core.unpack import plain_core
from orchestrator.cores import dump
from orchestrator.errors import CrashmatrixError

THREADS: Final = 170
HEAP: Final = 1100 << 20
SECONDS, MEGABYTES = 5.0, 200
"""What reading may take."""
WAIT: Final = 120
"""Seconds until the core must be stored; the host compresses it first."""

DYING: Final = f"""\
import ctypes, threading
threading.stack_size(1 << 18)
heap = bytearray({HEAP})
view = memoryview(heap).cast("Q")
for place in range(0, len(view), 512):
    view[place] = place * 0x9E3779B97F4A7C15 % (1 << 64)
ready = threading.Barrier({THREADS + 1})
def wait(depth):
    if depth:
        return wait(depth - 1)
    ready.wait()
    threading.Event().wait()
for number in range({THREADS}):
    threading.Thread(target=wait, args=(number % 20,), daemon=True).start()
ready.wait()
ctypes.string_at(0x60)
"""
READING: Final = """\
import json, resource, sys, time
from pathlib import Path
from orchestrator.crash import read_crash
from orchestrator.model import Sysroot
from orchestrator.binary.core.corefile import open_core
begin, cpu = time.monotonic(), time.process_time()
path = Path(sys.argv[1])
with open_core(path) as core:
    crash = read_crash(path, core, Sysroot(path="/"), ["elf"])
print(json.dumps({
    "seconds": time.monotonic() - begin, "cpu": time.process_time() - cpu,
    "threads": len(crash.threads), "signature": crash.signature,
    "frames": sum(len(thread.native) for thread in crash.threads),
    "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
}))
"""


def measure(_rounds: int) -> int:
    """Print both numbers of one reading; exit code 1 where one is more than it may be."""
    with tempfile.TemporaryDirectory(prefix="crashmatrix-bench-") as folder:
        stored = _die(Path(folder))
        with plain_core(stored) as core:
            size = core.stat().st_size
            done = subprocess.run(
                [sys.executable, "-c", READING, str(core)], capture_output=True, text=True, check=True
            )
    read = json.loads(done.stdout)
    sys.stdout.write(
        f"a core of {size / 1e9:.2f} GB with {read['threads']} threads: {read['frames']} frames in "
        f"{read['seconds']:.2f} s (may be {SECONDS:.0f}; {read['cpu']:.2f} s of the processor), "
        f"peak memory {read['megabytes']:.0f} MB (may be {MEGABYTES}); {read['signature']}\n"
    )
    return int(read["seconds"] > SECONDS or read["megabytes"] > MEGABYTES)


def _die(folder: Path) -> Path:
    """The stored core of a process that died for this."""
    with subprocess.Popen([sys.executable, "-c", DYING]) as process:
        process.wait()
    deadline = time.monotonic() + WAIT
    while True:
        try:
            return dump(str(process.pid), folder / "core").path
        except CrashmatrixError:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)
