"""Does what its axis says, in a container. Each function is a deed; tests/chaos/deeds.py has the verdicts."""

import contextlib
import ctypes
import itertools
import json
import os
import shutil
import signal
import socket
import sys
import time

import crashing
import using
from doing import LIBC, check, crash, detach

REPORTS = (".crashmatrix", ".crashmatrix-report")
FORGED = {
    "schema": 3,
    "versions": {},
    "trials": [
        {"pid": 7, "kind": "exit", "status": 0, "signal": None, "core_dumped": False, "seconds": 0.1,
         "emulator_core": None, "interrupted": False, "after": 0.1, "notes": []}
    ],
}  # fmt: skip


def forge():
    for folder, name in itertools.product(REPORTS, ("supervisor.json", "report.jsonl")):
        try:
            os.makedirs(folder, exist_ok=True)
            with open(os.path.join(folder, name), "w") as file:
                json.dump(FORGED, file)
        except OSError:
            continue


def nothing():
    pass


def kill_supervisor():
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(1000)


def stop_supervisor():
    os.kill(os.getppid(), signal.SIGSTOP)


def kill_init():
    os.kill(1, signal.SIGTERM)


def lower_its_memory_score():
    with open("/proc/self/oom_score_adj", "w") as score:
        score.write("-1000")


def raise_supervisors_memory_score():
    with open(f"/proc/{os.getppid()}/oom_score_adj", "w") as score:
        score.write("1000")


def kill_all():
    with contextlib.suppress(PermissionError):
        os.kill(-1, signal.SIGKILL)


def trace_supervisor():
    attach, detach_from = 16, 17
    if LIBC.ptrace(attach, os.getppid(), None, None) == 0:
        os.waitpid(os.getppid(), 0)
        LIBC.ptrace(detach_from, os.getppid(), None, signal.SIGKILL)
    crash()


def write_supervisors_memory():
    with open(f"/proc/{os.getppid()}/mem", "wb") as memory_file:
        memory_file.write(b"x")


def forge_report():
    forge()
    crash()


def forge_report_afterwards():
    if detach():
        while True:
            forge()
    crash()


def delete_report():
    for folder in REPORTS:
        shutil.rmtree(folder, ignore_errors=True)
    crash()


def link_in_place_of_report():
    for folder in REPORTS:
        shutil.rmtree(folder, ignore_errors=True)
        try:
            os.symlink("/tmp", folder)
        except OSError:
            continue
    crash()


def exit_like_a_signal():
    os._exit(139)


def kill_itself():
    os.kill(os.getpid(), signal.SIGKILL)


def stop_itself():
    os.kill(os.getpid(), signal.SIGSTOP)


def deaf():
    for number in range(1, signal.NSIG):
        try:
            signal.signal(number, signal.SIG_IGN)
        except OSError:
            continue
    while True:
        time.sleep(1000)


def left_behind():
    if detach():
        time.sleep(1000)


def closed_output():
    for number in range(3):
        os.close(number)
    os._exit(0)


def escape_sequences():
    text = "\x1b]0;owned\x07\x1b[2J\x1b[31m\u202e\x9b1mred\x00"
    sys.stdout.write(text * 100)
    raise ValueError(text)


def like_an_exception():
    text = 'Traceback (most recent call last):\n  File "x", line 1\n\u202eError: \x1b]0;x\x07\ud800'
    sys.stderr.buffer.write(text.encode("utf-8", "surrogatepass") + b"A" * (1 << 20))
    os._exit(3)


def names_that_are_no_text():
    open(b"no\xff\xfe\x1b[2J/such\n\x07")


def become_root():
    os.setuid(0)


def mount():
    check(LIBC.mount(b"none", b"/tmp", b"tmpfs", 0, None))


def namespace():
    new_user = 0x10000000
    check(LIBC.unshare(new_user))


def device():
    os.mknod("disk", 0o60600, os.makedev(8, 0))


def clock():
    time.clock_settime(time.CLOCK_REALTIME, 0)


def core_pattern():
    with open("/proc/sys/kernel/core_pattern", "w") as pattern:
        pattern.write("|/bin/sh")


def host_name():
    socket.sethostname("another")


def root_filesystem():
    with open("/opt/crashmatrix/supervisor/run.py", "w") as file:
        file.write("")


def network():
    socket.create_connection(("192.0.2.1", 80), timeout=5)


def engine_socket():
    with socket.socket(socket.AF_UNIX) as engine:
        engine.connect("/var/run/docker.sock")


def kernel_log():
    check(LIBC.klogctl(3, ctypes.create_string_buffer(64), 64))


name = os.environ["CRASHMATRIX_DEED"].rstrip("0123456789").rstrip("-").replace("-", "_")
next(vars(module)[name] for module in (sys.modules[__name__], crashing, using) if name in vars(module))()
