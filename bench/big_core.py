"""`nox -s bench -- big-core`: cores of 1.1 GB with 170 threads and of 11.8 GB with 223, read without gdb.

Real ones: a Python process has as much memory, starts as many threads, and dies of a SIGSEGV. The first
touches all of it, the second a page in 64 MB, so that its core is sparse. Each is read in a process of its
own, whose time and peak memory are printed beside what they may be.
"""

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from orchestrator.binary.core.unpack import plain_core
from orchestrator.cores import dump
from orchestrator.errors import CrashmatrixError


@dataclass(frozen=True)
class Shape:
    """Bytes of memory, and between the words that are written; threads beside the main one.

    `megabytes`: what reading its core may take.
    """

    memory: int
    distance: int
    threads: int
    megabytes: int


SHAPES: Final = (
    Shape(memory=1100 << 20, distance=4096, threads=169, megabytes=200),
    Shape(memory=11 << 30, distance=64 << 20, threads=222, megabytes=300),
)
SECONDS: Final = 5.0
"""What reading one may take."""
WAIT: Final = 300
"""Seconds until the core must be stored; the host compresses it first."""

DYING: Final = """\
import ctypes, mmap, sys, threading
memory, distance, threads = map(int, sys.argv[1:])
threading.stack_size(1 << 18)
heap = mmap.mmap(-1, memory, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
view = memoryview(heap).cast("Q")
for place in range(0, len(view), distance // 8):
    view[place] = place * 0x9E3779B97F4A7C15 % (1 << 64)
ready = threading.Barrier(threads + 1)
def wait(depth):
    if depth:
        return wait(depth - 1)
    ready.wait()
    threading.Event().wait()
for number in range(threads):
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
    """Print both numbers of each reading; exit code 1 where one is more than it may be."""
    results = [_measure(shape) for shape in SHAPES]
    return int(not all(results))


def _measure(shape: Shape) -> bool:
    with tempfile.TemporaryDirectory(prefix="crashmatrix-bench-") as folder:
        stored = _die(shape, Path(folder))
        with plain_core(stored) as core:
            size = core.stat().st_size
            done = subprocess.run(
                [sys.executable, "-c", READING, str(core)], capture_output=True, text=True, check=True
            )
    read = json.loads(done.stdout)
    sys.stdout.write(
        f"a core of {size / 1e9:.2f} GB with {read['threads']} threads: {read['frames']} frames in "
        f"{read['seconds']:.2f} s (may be {SECONDS:.0f}; {read['cpu']:.2f} s of the processor), "
        f"peak memory {read['megabytes']:.0f} MB (may be {shape.megabytes}); {read['signature']}\n"
    )
    return bool(read["seconds"] <= SECONDS and read["megabytes"] <= shape.megabytes)


def _die(shape: Shape, folder: Path) -> Path:
    """The stored core of a process that died for this."""
    sizes = map(str, (shape.memory, shape.distance, shape.threads))
    with subprocess.Popen([sys.executable, "-c", DYING, *sizes]) as process:
        process.wait()
    deadline = time.monotonic() + WAIT
    while True:
        try:
            return dump(str(process.pid), folder / "core").path
        except CrashmatrixError:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)
