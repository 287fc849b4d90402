"""What a program in the jail may still do, beside what the same program does outside."""

import json
import os
import pty
import socket
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from orchestrator.adapters import (
    jail,
    process,
)
from orchestrator.adapters.jail import Jail
from orchestrator.binary.core.unpack import plain_core
from orchestrator.crash.stacks.gdb import run as gdb
from orchestrator.crash.stacks.limits import loose
from orchestrator.errors import ToolError
from orchestrator.host import doctor

whole = pytest.mark.skipif(bool(jail.shortcomings()), reason="; ".join(jail.shortcomings()))
ATTEMPTS = """
import json, os, resource, signal, socket, sys
own, other, victim = sys.argv[1], sys.argv[2], int(sys.argv[3])
attempts = {
    "write own": lambda: open(own + "/new", "w").write("x"),
    "write null": lambda: open("/dev/null", "w").write("x"),
    "read": lambda: open(other + "/kept").read(),
    "write": lambda: open(other + "/new", "w").write("x"),
    "overwrite": lambda: open(other + "/kept", "r+").write("x"),
    "cut": lambda: os.truncate(other + "/kept", 1),
    "folder": lambda: os.mkdir(other + "/folder"),
    "link": lambda: os.symlink("/etc", other + "/link"),
    "move out": lambda: os.rename(own + "/new", other + "/moved"),
    "mode": lambda: os.chmod(other + "/kept", 0o777),
    "times": lambda: os.utime(other + "/kept"),
    "internet": lambda: socket.socket(),
    "unix": lambda: socket.socket(socket.AF_UNIX).connect(other + "/socket"),
    "signal": lambda: os.kill(victim, 0),
    "limit": lambda: resource.prlimit(victim, resource.RLIMIT_CORE),
    "own limit": lambda: resource.prlimit(0, resource.RLIMIT_CORE),
    "remove": lambda: os.remove(other + "/kept"),
}
said = {}
for name, attempt in attempts.items():
    try:
        attempt()
        said[name] = True
    except OSError:
        said[name] = False
print(json.dumps(said))
"""
CORES = Path(__file__).parents[1] / "data/cores"
HARMLESS = {"write own", "write null", "read", "own limit"}


def attempt(folder: Path, chosen: Jail | None) -> dict[str, bool]:
    """What of all attempts succeeds, in folders of their own."""
    own, other = folder / "own", folder / "other"
    own.mkdir(parents=True)
    other.mkdir()
    (other / "kept").write_text("text")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(other / "socket"))
        server.listen()
        done = process.run(
            [sys.executable, "-I", "-c", ATTEMPTS, str(own), str(other), str(os.getpid())],
            hint="", jail=chosen,
        )  # fmt: skip
    said: dict[str, bool] = json.loads(done.stdout)
    return said


@whole
def test_the_jail_leaves_reading_and_its_own_folder(tmp_path: Path) -> None:
    inside = attempt(tmp_path / "jailed", Jail(writable=(tmp_path / "jailed/own",)))
    assert {name for name, done in inside.items() if done} == HARMLESS
    assert all(attempt(tmp_path / "free", None).values())


TYPING = """
import fcntl, os, sys, termios
try:
    terminal = os.open("/dev/tty", os.O_RDONLY)
    print("opened")
except OSError:
    terminal = 3
try:
    fcntl.ioctl(terminal, termios.TIOCSTI, b"x")
    print("typed")
except OSError as error:
    print(error.strerror)
"""
ON_A_TERMINAL = """
import os, sys
from orchestrator.adapters import process
from orchestrator.adapters.jail import Jail
os.dup2(os.open("/dev/tty", os.O_RDWR), 3, inheritable=True)
print(process.run([sys.executable, "-I", "-c", sys.argv[1]], hint="", jail=Jail()).text)
"""


@whole
def test_nothing_is_typed_into_the_users_terminal() -> None:
    """Whoever has the terminal, or a descriptor of it, could have its shell run commands (TIOCSTI)."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-c", ON_A_TERMINAL, TYPING])  # noqa: S606
    said = b""
    with suppress(OSError), os.fdopen(terminal, "rb", buffering=0) as screen:
        while piece := screen.read(4096):
            said += piece
    assert os.waitpid(pid, 0)[1] == 0, said
    assert "opened" not in said.decode()
    assert "typed" not in said.decode()


@whole
def test_no_more_is_read_of_a_program_than_it_may_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "MOST", 1000)
    done = process.run(["head", "-c", "100000", "/dev/zero"], hint="", jail=Jail())
    assert done.stdout == bytes(1000)


@whole
def test_this_process_stays_free(tmp_path: Path) -> None:
    process.run(["true"], hint="", jail=Jail())
    (tmp_path / "file").write_text("x")
    socket.socket().close()


@whole
@pytest.mark.skipif(not process.find("gdb"), reason="gdb is not installed")
def test_gdb_is_in_the_jail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import json, os\n"
        f"try: open({str(tmp_path / 'new')!r}, 'w'); said = 'free'\n"
        "except PermissionError: said = 'jailed'\n"
        "open(os.environ['CRASHMATRIX_OUT'], 'w').write(json.dumps({'version': said, 'threads': []}))\n"
    )
    monkeypatch.setattr(gdb, "SCRIPT", script)
    with plain_core(CORES / "plain.core.zst") as core:
        assert gdb.read_with_gdb(core, tmp_path, None).version == "jailed"


@whole
def test_a_program_in_the_jail_can_still_be_stopped() -> None:
    with pytest.raises(ToolError, match="did not end within"):
        process.run(["sleep", "60"], hint="", jail=Jail(), timeout=0.2)


def test_a_kernel_without_landlock_runs_the_program_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jail, "_landlock", lambda: 0)
    monkeypatch.setattr(jail, "shortcomings", jail.shortcomings.__wrapped__)
    process.run(["sh", "-c", f": > '{tmp_path}/made'"], hint="", jail=Jail())
    assert (tmp_path / "made").exists()
    (said,) = loose()
    assert "isolation of the tools that read the core: its kernel has no Landlock" in said
    (found,) = (item for item in doctor() if item.name == "confinement of gdb")
    assert found.state == "degraded"
    assert not found.blocks


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"confining a program to .*/none: No such file"):
        process.run(["true"], hint="", jail=Jail(writable=(tmp_path / "none",)))
