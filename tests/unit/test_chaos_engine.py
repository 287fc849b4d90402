"""What a kill -9 leaves of an engine of chaos: found by its folder, and nobody else's."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.chaos.engine import survivors

WAITS = "import sys; print('up', flush=True); sys.stdin.read()"


@contextmanager
def shim(address: Path) -> Iterator[int]:
    """A process with the command line of a shim, which waits until its input ends."""
    command = [sys.executable, "-c", WAITS, "-namespace", "moby", "-address", str(address)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"up\n"
        yield process.pid


def test_an_engine_s_processes_are_those_that_name_its_sockets(tmp_path: Path) -> None:
    socket = "exec/containerd/containerd.sock"
    with ExitStack() as stack:
        own = stack.enter_context(shim(tmp_path / "engine" / socket))
        stack.enter_context(shim(tmp_path / "engine-2" / socket))
        stack.enter_context(shim(tmp_path / "engine" / "exec-2"))
        stack.enter_context(shim(tmp_path / "engine"))
        assert survivors(tmp_path / "engine") == [own]
    assert survivors(tmp_path / "engine") == []
