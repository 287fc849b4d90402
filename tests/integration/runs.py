"""Runs the program as its users do, and adds scenarios to a copy of the project."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from orchestrator.model import CellResult
from tests.inverted.inversions import passing

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run of the program that ended."""

    code: int
    stdout: str
    stderr: str
    reports: Path

    @property
    def folder(self) -> Path:
        (folder,) = (path.parent for path in self.reports.glob("*/plan.json"))
        return folder

    @property
    def results(self) -> dict[str, CellResult]:
        files = sorted(self.folder.glob("cells/**/result.json"))
        results = [CellResult.model_validate_json(path.read_text()) for path in files]
        return {result.cell.id: result for result in results}


def parts_that_assert_nothing(ended: Run) -> list[str]:
    """Parts of expectations whose inversion would have passed on the same trials; there should be none."""
    assert ended.results
    return [
        f"{cell}: {part}" for cell, result in ended.results.items() for part in passing(ended.folder, result)
    ]


def command(*arguments: str | Path, project: Path = ROOT) -> list[str]:
    return [sys.executable, "-m", "orchestrator", "--project", str(project), *map(str, arguments)]


def run(*arguments: str, reports: Path, project: Path = ROOT, env: dict[str, str] | None = None) -> Run:
    """Run the matrix to its end."""
    line = command("run", "--reports", reports, *arguments, project=project)
    done = subprocess.run(
        line, cwd=ROOT, env={**os.environ, **(env or {})}, capture_output=True, text=True, check=False
    )
    return Run(code=done.returncode, stdout=done.stdout, stderr=done.stderr, reports=reports)


RACE = """\
import os, pathlib
print("pid", os.getpid(), [str(item) for item in pathlib.Path("/tmp").iterdir()], flush=True)
pathlib.Path("/tmp/left").touch()
if os.urandom(1)[0] < {}:
    os.abort()
"""
DRIVERS = {
    "own-axis": "import os\nprint('cleanup is', os.environ['CRASHMATRIX_CLEANUP'])\n",
    "hang": "import time\nprint('waiting', flush=True)\ntime.sleep(600)\n",
    "hostile": """\
import sys
sys.stdout.buffer.write(b"\\xff\\xfe\\x00 \\x1b[31mred\\x1b[0m ]]> \\xe2\\x80\\xae")
sys.stdout.buffer.write(b"<script>document.title='owned'</script>")
sys.stderr.buffer.write(b"\\x00" * 70000 + b"end")
sys.exit(3)
""",
    "execute": "import os\ntry:\n    os.execv('/nonexist', ['x'])\nexcept OSError:\n    os.system('true')\n",
    "use-after-free": """\
import ctypes
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
block = ctypes.c_void_p(libc.malloc(16))
libc.free(block)
ctypes.string_at(block, 4)
""",
    "filled": "with open('filled', 'wb') as file:\n    while True:\n        file.write(bytes(1 << 20))\n",
    "numbered": "import os\nraise SystemExit(os.environ['CRASHMATRIX_NUMBER'] == 'n3')\n",
    "quiet": "print('nothing happens')\n",
    "race": RACE.format(64),
    "coin": RACE.format(128),
    "memory": "block = bytearray(4 << 30)\nblock[::4096] = b'x' * len(block[::4096])\n",
    "guest-crash": """\
import ctypes, threading
thread = threading.Thread(target=ctypes.string_at, args=(16,))
thread.start()
thread.join()
""",
    # Story 5 without its race: getenv meets a pointer to nowhere; before it dies, `environ` is made another.
    "guest-stale": """\
import ctypes, signal
libc = ctypes.CDLL(None)
environ = ctypes.POINTER(ctypes.c_void_p).in_dll(libc, "__environ")
entries = []
while environ[len(entries)]:
    entries.append(environ[len(entries)])
added = [ctypes.create_string_buffer(text) for text in (b"SSL_CERT_FILE=/ca.pem", b"SSL_CERT_DIR=/certs")]
stale, fresh = list(entries), entries + [ctypes.addressof(text) for text in added]
stale[len(stale) // 2] = 0x41414141
stale, fresh = ((ctypes.c_void_p * (len(array) + 1))(*array, None) for array in (stale, fresh))

@ctypes.CFUNCTYPE(None, ctypes.c_int)
def at_fault(number):
    environ.contents = ctypes.c_void_p.from_buffer(fresh)
    libc.signal(signal.SIGSEGV, None)

libc.signal(signal.SIGSEGV, at_fault)
environ.contents = ctypes.c_void_p.from_buffer(stale)
libc.getenv(b"CM_NOT_THERE")
""",
    "served": """\
import os


def application(environ, start_response):
    print("asked for", environ["PATH_INFO"], "in", os.environ["CRASHMATRIX_LAUNCHER"], flush=True)
    start_response("200 OK", [])
    return [b"served"]
""",
    "served-hang": """\
import ctypes, threading, time


def hold(pause=ctypes.PyDLL(None).pause):
    pause()  # PyDLL keeps the GIL during a call


def application(environ, start_response):
    threading.Thread(target=hold).start()
    while True:
        time.sleep(0.01)
""",
    "grandchild": """\
import subprocess, sys
crash = "import ctypes; ctypes.string_at(16)"
between = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {crash!r}])"
for _ in range(2):
    subprocess.run([sys.executable, "-c", between], check=True)
print("all is well")
""",
    "left-dumping": """\
import os, pathlib, time
child = os.fork()
if child == 0:
    block = os.urandom(200 << 20)
    os.abort()
while "CoreDumping:\\t1" not in pathlib.Path(f"/proc/{child}/status").read_text():
    time.sleep(0.001)
""",
    "long-dump": """\
import ctypes, os, time
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
libc.mmap(None, 3 << 30, 3, 0x4022, -1, 0)  # read and written, private, anonymous, not reserved
fields = open("/proc/self/stat").read().rpartition(")")[2].split()
started = int(fields[22 - 3]) / os.sysconf("SC_CLK_TCK")  # proc(5)
while float(open("/proc/uptime").read().split()[0]) < started + 4:
    time.sleep(0.02)
ctypes.string_at(0)
""",
    "late-guest": """\
import ctypes, os, time
guest, alone = os.getpid(), min(os.sched_getaffinity(0))
os.sched_setaffinity(0, {alone})
reading, writing = os.pipe()
if os.fork() == 0:
    # Of another process /proc is the host's. What has normal priority leaves an idle one almost no time.
    fields = open(f"/proc/{guest}/stat").read().rpartition(")")[2].split()
    started = int(fields[22 - 3]) / os.sysconf("SC_CLK_TCK")  # proc(5)
    while float(open("/proc/uptime").read().split()[0]) < started + 18:
        time.sleep(0.05)
    os.write(writing, b"now")
    while time.process_time() < 5:
        pass
    os._exit(0)
filled = b"x" * (256 << 20)
os.read(reading, 3)
os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
ctypes.string_at(0)
""",
    "core-lost": """\
import ctypes, os
ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE
os.abort()
""",
}


def add_scenario(project: Path, name: str, expect: str, *, timeout: int = 20, more: str = "") -> None:
    """A scenario with a driver of the test's own; its probe is tls-atexit's and is not used."""
    folder = project / "scenarios" / name
    (folder / "cpp").mkdir(parents=True)
    source = project / "scenarios/tls-atexit/cpp/tlsprobe.cpp"
    (folder / "cpp/tlsprobe.cpp").write_bytes(source.read_bytes())
    (folder / "driver.py").write_text(DRIVERS[name])
    (folder / "scenario.yaml").write_text(
        f"schema: 1\ntitle: {name}\nstory: A test.\ndriver: driver.py\ntimeout: {timeout}\n{more}"
        "probes: {cpp: {source: cpp/tlsprobe.cpp, module: tlsprobe}}\n"
        f"expect: [{{when: 'true', {expect}, because: it must}}]\n"
    )
    matrix = project / "matrix.yaml"
    matrix.write_text(matrix.read_text().replace("  scenario: [", f"  scenario: [{name}, ", 1))


def ask(project: Path, tmp_path: Path, scenario: str, *arguments: str) -> Run:
    """Run one new scenario in one environment."""
    selection = ("--scenario", scenario, "--glibc", "2.36", "--launcher", "plain", "--probe", "cpp")
    return run(*selection, *arguments, reports=tmp_path / "reports", project=project)
