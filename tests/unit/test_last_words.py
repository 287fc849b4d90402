"""What a process that ended with an error said last, in real outputs, and what is judged of it."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.execute.last_words import LONGEST, TAIL, last_exception, last_line
from orchestrator.matrix.expectations import DEFAULT
from orchestrator.model import (
    CoreFile,
    CoreState,
    CrashSite,
    NativeFrame,
    OtherCrash,
    OtherProcess,
    OutcomeKind,
    Thread,
    Trial,
    Verdict,
)
from orchestrator.model.memory import over_memory
from orchestrator.verdict import Observation
from tests.unit.test_verdict import QUIET, crashed, died, judge, outcome

CLEAN = DEFAULT.of(0)


def run(folder: Path, script: str) -> tuple[int, Path, Path]:
    """The status and the files with stderr and stdout of a script."""
    (folder / "repro.py").write_text(script)
    with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
        done = subprocess.run([sys.executable, "repro.py"], cwd=folder, stdout=out, stderr=err, check=False)
    return done.returncode, folder / "err", folder / "out"


THREAD = "import threading\nt = threading.Thread(target=lambda: 1/0)\nt.start()\nt.join()"
ENDINGS = {
    "import nosuch": "ModuleNotFoundError: No module named 'nosuch'",
    "from os import nosuch": "ImportError: cannot import name 'nosuch' from 'os'",
    "def f(): return f()\nf()": "RecursionError: maximum recursion depth exceeded",
    "class Own(Exception): pass\nraise Own": "Own",
    "try:\n 1/0\nexcept Exception as e:\n raise ValueError('a\\nb') from e": "ValueError: a",
    "def f(x)\n  pass": "SyntaxError: ",
    "x = 1\n  y = 2": "IndentationError: unexpected indent",
    "raise ExceptionGroup('two', [ValueError(1), TypeError(2)])": "ExceptionGroup: two (2 sub-exceptions)",
    "import atexit\natexit.register(lambda: 1/0)\nraise KeyError('é')": "KeyError: 'é'",
    f"{THREAD}\nraise OSError(2, 'x')": "FileNotFoundError: [Errno 2] x",
    "raise ValueError('\\x1b[31mred\\x1b[0m \\x07 bell')": "ValueError: red \N{REPLACEMENT CHARACTER} bell",
    "raise ValueError('long ' * 100)": "ValueError: "
    + ("long " * 100)[: LONGEST - 3 - len("ValueError: ")]
    + "...",
}


@pytest.mark.parametrize("script", ENDINGS)
def test_the_last_line_of_the_traceback_is_the_reason(tmp_path: Path, script: str) -> None:
    status, stderr, _ = run(tmp_path, script)
    said = last_exception(stderr)
    assert status == 1
    assert said
    assert said.startswith(ENDINGS[script])


NO_EXCEPTION = {
    "import sys; print('out'); sys.exit('no database')": (1, "no database"),
    "import sys; print('== 2 failed, 3 passed =='); sys.exit(1)": (1, "2 failed, 3 passed"),
    f"{THREAD}\nraise SystemExit(4)": (4, "ZeroDivisionError: division by zero"),
    "import sys; sys.exit(3)": (3, None),
}


@pytest.mark.parametrize("script", NO_EXCEPTION)
def test_without_an_exception_the_last_line_is_said(tmp_path: Path, script: str) -> None:
    status, stderr, stdout = run(tmp_path, script)
    assert last_exception(stderr) is None
    assert (status, last_line(stderr, stdout)) == NO_EXCEPTION[script]


UWSGI = """\
*** Operational MODE: single process ***
ModuleNotFoundError: No module named 'nosuchapp'
unable to load app 0 (mountpoint='') (callable not found or import error)
*** no app loaded. GAME OVER ***
"""


def test_an_import_that_a_server_asked_for_has_no_frames(tmp_path: Path) -> None:
    (tmp_path / "err").write_text(UWSGI)
    assert last_exception(tmp_path / "err") == "ModuleNotFoundError: No module named 'nosuchapp'"
    (tmp_path / "err").write_text(
        "a.py:3: DeprecationWarning: old\nDeprecationWarning: old\nValueErrors: 3\n"
    )
    assert last_exception(tmp_path / "err") is None


def test_only_the_end_of_a_long_output_is_read(tmp_path: Path) -> None:
    _, stderr, _ = run(tmp_path, "import sys; sys.stderr.write('x' * (1 << 20)); raise ValueError('end')")
    assert last_exception(stderr) == "ValueError: end"
    stderr.write_bytes(b"Traceback (most recent call last):\nValueError: early\n" + b"y" * TAIL)
    assert last_exception(stderr) is None


@given(
    st.binary(max_size=200)
    | st.text("Traceback (most recent call last):\n|+ E:x", max_size=200).map(str.encode)
)
def test_no_output_makes_it_fail(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "stream"
    path.write_bytes(content)
    for said in (last_exception(path), last_line(path, path)):
        assert said is None or (said.isprintable() and 0 < len(said) <= LONGEST)


def ended(status: int | None, *, kind: OutcomeKind = OutcomeKind.EXIT, **said: object) -> Observation:
    seen = outcome(kind, status=status).model_copy(update=said)
    return Observation(trial=Trial(number=1, outcome=seen, core=CoreFile(state=CoreState.NONE)), text="")


IMPORT = "ModuleNotFoundError: No module named 'nosuch'"
REASONS = [
    (ended(0), Verdict.PASS, "ended cleanly"),
    (ended(1, exception=IMPORT), Verdict.FAIL, IMPORT),
    (ended(22, exception=IMPORT), Verdict.FAIL, f"exit status 22: {IMPORT}"),
    (ended(3), Verdict.FAIL, "exit status 3"),
    (ended(1, last_line="2 failed"), Verdict.FAIL, "exit status 1: 2 failed"),
    (
        ended(127, notes=("cannot start x: No such file or directory",)),
        Verdict.FAIL,
        "exit status 127: cannot start x: No such file or directory",
    ),
    (ended(None, kind=OutcomeKind.HANG, seconds=60.02), Verdict.FAIL, "hang: no end within 60 s"),
    (
        ended(None, kind=OutcomeKind.OOM, notes=(over_memory(512 << 20),)),
        Verdict.FAIL,
        "out of memory: killed by the kernel, over its memory limit of 512 MiB; raise it with `memory:`",
    ),
    (ended(None, kind=OutcomeKind.OOM), Verdict.FAIL, "out of memory"),
    (died(CoreState.LOST), Verdict.FAIL, "SIGSEGV, core lost: over the pipe limit"),
    (crashed("f"), Verdict.FAIL, "SIGSEGV f"),
]


@pytest.mark.parametrize(("seen", "verdict", "reason"), REASONS)
def test_where_nothing_is_stated_the_reason_says_what_happened(
    seen: Observation, verdict: Verdict, reason: str
) -> None:
    judged = judge(CLEAN, [seen])
    assert (judged.verdict, judged.reason) == (verdict, reason)


def test_a_fault_is_named_with_its_library_and_a_hang_with_where_it_was() -> None:
    seen = crashed("f")
    assert seen.trial.crash
    site = seen.trial.crash.crash.model_copy(update={"module": "/opt/venv/libx.so"})
    read = seen.trial.crash.model_copy(update={"crash": site})
    trial = seen.trial.model_copy(update={"crash": read})
    assert judge(CLEAN, [Observation(trial=trial, text="")]).reason == "SIGSEGV f (libx.so)"
    hung = trial.model_copy(update={"outcome": outcome(OutcomeKind.HANG).model_copy(update={"seconds": 5.0})})
    waits = read.model_copy(update={"signature": "hang pthread_mutex_lock > f", "hang": True})
    hung = hung.model_copy(update={"crash": waits})
    reason = judge(CLEAN, [Observation(trial=hung, text="")]).reason
    assert reason == "hang pthread_mutex_lock > f: no end within 5 s"


def test_of_a_fault_in_the_c_library_its_caller_is_named() -> None:
    def reason(*frames: tuple[str | None, str]) -> str:
        seen = crashed("strlen")
        assert seen.trial.crash
        native = tuple(NativeFrame(function=function, module=module) for function, module in frames)
        update = {
            "crash": CrashSite(pc="0x1", function="strlen", module="/usr/lib/libc.so.6"),
            "threads": (Thread(tid=2, crashed=True, native=native),),
        }
        read = seen.trial.crash.model_copy(update=update)
        trial = seen.trial.model_copy(update={"crash": read})
        return judge(CLEAN, [Observation(trial=trial, text="")]).reason

    libc, own = "/usr/lib/libc.so.6", "/opt/venv/_own.so"
    handler, fault = ("on_signal", "/opt/handler.so"), ("strlen", libc)
    assert reason(handler, ("restore", libc), fault, (None, libc), ("f", own)) == (
        "SIGSEGV strlen (libc.so.6, called from _own.so)"
    )
    stripped = reason(fault, (None, own), ("PyObject_Call", "/lib/libpython3.12.so"))
    assert stripped == "SIGSEGV strlen (libc.so.6, called from _own.so)"
    assert reason(fault, ("raise", "/lib/libc-2.31.so"), ("g", own)).endswith("called from _own.so)")
    assert reason(fault) == reason() == "SIGSEGV strlen (libc.so.6)"


def test_a_servers_clean_status_is_a_clean_end() -> None:
    assert judge(DEFAULT.of(30), [ended(30)]).reason == "ended cleanly"
    assert judge(DEFAULT.of(30), [ended(0)]).reason == "exit status 0"


def test_where_something_is_stated_the_exception_stands_beside_it() -> None:
    judged = judge(QUIET, [ended(1, exception=IMPORT)])
    assert judged.reason.startswith(f"saw exit 1: {IMPORT}; expected exit 0")


def test_a_crash_of_another_process_comes_first() -> None:
    other = OtherCrash(
        process=OtherProcess(
            pid=7, role="worker 2", doing="tests/a.py::test_b", kind=OutcomeKind.SIGNAL, signal="SIGSEGV"
        ),
        core=CoreFile(state=CoreState.FOUND),
        crash=crashed("f").trial.crash,
    )
    for seen, itself in ((ended(0), "ended cleanly"), (ended(1, exception=IMPORT), IMPORT)):
        trial = seen.trial.model_copy(update={"others": (other,)})
        judged = judge(CLEAN, [Observation(trial=trial, text="")])
        said = f"SIGSEGV f of worker 2 while tests/a.py::test_b ran; the judged process: {itself}"
        assert (judged.verdict, judged.reason) == (Verdict.FAIL, said)
