"""Ctrl-C, SIGTERM, SIGHUP and a closed terminal: one line, exit 3, no traceback."""

import os
import pty
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from orchestrator.errors import EXIT_HOST, HostError, ToolError, TransientError
from orchestrator.images.network import ATTEMPTS, persistently

ROOT = Path(__file__).parents[2]
HEARING = ("env", "--default-signal=INT,TERM,HUP")
"""Starts a program that hears its signals, also where nohup or a shell's & has these tests ignore them."""
STARTED = """
import os, signal, sys, time
from orchestrator.cli import main, options
def command(arguments):
    try:
        os.write(READY, b"x")
        time.sleep(60)
    except KeyboardInterrupt:
        print("drained", flush=True)
        raise
class Parser:
    def __init__(self, words):
        pass
    def parse_args(self, argv):
        return type("Arguments", (), {"command": staticmethod(command)})
import orchestrator.cli.main
sys.modules["orchestrator.cli.main"].build_parser = Parser
READY = int(sys.argv[1])
sys.exit(main([]))
"""


def started(out: int, err: int) -> subprocess.Popen[bytes]:
    """The program in a command that takes long, once it runs."""
    ready, told = os.pipe()
    command = [*HEARING, sys.executable, "-c", STARTED, str(told)]
    process = subprocess.Popen(
        command, cwd=ROOT, pass_fds=(told,), start_new_session=True, stdout=out, stderr=err
    )
    os.close(told)
    assert os.read(ready, 1) == b"x"
    os.close(ready)
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_drains_and_is_one_line(number: signal.Signals) -> None:
    with started(subprocess.PIPE, subprocess.PIPE) as process:
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (EXIT_HOST, b"drained\n", b"crashmatrix: interrupted\n")


def test_a_closed_terminal_drains() -> None:
    ours, theirs = pty.openpty()
    with started(theirs, theirs) as process:
        os.close(theirs)
        os.close(ours)
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGHUP)
        assert process.wait(60) == EXIT_HOST


def test_a_signal_that_is_ignored_stays_so() -> None:
    program = (
        "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN);"
        "from orchestrator.cli.main import hear_signals; hear_signals();"
        "print(signal.getsignal(signal.SIGHUP))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=True)
    assert done.stdout == b"1\n"


def test_an_interrupt_while_the_program_is_imported_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "argparse.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGINT)")
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    done = subprocess.run(
        [*HEARING, sys.executable, "-m", "orchestrator", "doctor"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert b"Traceback" not in done.stderr


def test_what_cannot_pass_is_tried_once() -> None:
    asked: list[type[HostError]] = []

    def step(kind: type[HostError]) -> None:
        asked.append(kind)
        raise kind("no", hint="")

    for kind in (ToolError, HostError):
        with pytest.raises(kind):
            persistently(step, threading.Event())(kind)
        assert asked == [kind]
        asked.clear()
    with pytest.raises(TransientError):
        persistently(step, threading.Event())(TransientError)
    assert len(asked) == ATTEMPTS
