"""The limits of programs that read a core: of memory they have what mapping the core takes, and no more."""

import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.crash.stacks.limits import MAPPINGS, MEMORY, most_memory

MAP: str = """
import mmap, resource, sys
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[3]), int(sys.argv[3])))
with open(sys.argv[1], "rb") as stream:
    maps = [mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) for _ in range(int(sys.argv[2]))]
"""


@pytest.mark.parametrize(("times", "fits"), [(MAPPINGS, True), (2 * MAPPINGS, False)])
def test_a_program_can_map_a_core_of_any_size(tmp_path: Path, times: int, fits: bool) -> None:
    with (core := tmp_path / "core").open("wb") as stream:
        stream.truncate(MEMORY)  # sparse, as most of a core of 11 GB is
    command = [sys.executable, "-I", "-c", MAP, str(core), str(times), str(most_memory(core))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) is fits, done.stderr
    assert fits or "Cannot allocate memory" in done.stderr
