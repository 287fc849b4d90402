"""Does what its axis says, in a container. Each function is a deed; tests/chaos/deeds.py has the verdicts."""

import contextlib
import ctypes
import itertools
import json
import mmap
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

LIBC = ctypes.CDLL(None, use_errno=True)
REPORTS = (".crashmatrix", ".crashmatrix-report")
FORGED = {
    "schema": 3,
    "versions": {},
    "trials": [
        {"pid": 7, "kind": "exit", "status": 0, "signal": None, "core_dumped": False, "seconds": 0.1,
         "emulator_core": None, "interrupted": False, "after": 0.1, "notes": []}
    ],
}  # fmt: skip


def crash():
    ctypes.string_at(16)


def check(result):
    """As Python's own functions: an error of the C library is an OSError."""
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def fill(path, *, unlink=False):
    file = os.open(path, os.O_RDWR | os.O_CREAT)
    if unlink:
        os.unlink(path)
    while True:
        os.write(file, bytes(1 << 20))


def detach():
    """Fork a child that init adopts; returns whether this is it."""
    if os.fork():
        return False
    os.setsid()
    if os.fork():
        os._exit(0)
    return True


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


def fork_bomb():
    while True:
        try:
            os.fork()
        except OSError:
            time.sleep(0.1)


def threads():
    while True:
        threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()


def memory():
    blocks = []
    while True:
        blocks.append(b"x" * (16 << 20))


def memory_of_many():
    """Each is smaller than the supervisor, so that the kernel may choose that one."""
    for path in ("/tmp/filled", "/dev/shm/filled"):
        with contextlib.suppress(OSError):
            fill(path)
    for _ in range(480):
        if os.fork() == 0:
            held = bytearray(3 << 20)
            time.sleep(1000)
            del held
    time.sleep(1000)


def memory_of_a_child():
    child = os.fork()
    if child == 0:
        with open("/proc/self/oom_score_adj", "w") as score:
            score.write("1000")
        memory()
    os.waitpid(child, 0)


def files():
    held = []
    while True:
        held.append(open("/dev/null"))


def disk():
    fill("filled")


def disk_without_a_name():
    fill("filled", unlink=True)


def disk_by_mapping():
    size = 4 << 30
    with open("mapped", "wb+") as file:
        file.truncate(size)
        view = mmap.mmap(file.fileno(), size)
        for at in range(0, size, mmap.PAGESIZE):
            view[at] = 1


def inodes():
    for number in itertools.count():
        open(f"file-{number}", "w").close()


def tmp():
    fill("/tmp/filled")


def shared_memory():
    fill("/dev/shm/filled")


def output():
    for _ in range(300):
        os.write(1, b"x" * (1 << 20))


def endless_output():
    while True:
        os.write(1, b"x" * (1 << 16))


def kill_supervisor():
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(1000)


def stop_supervisor():
    os.kill(os.getppid(), signal.SIGSTOP)


def kill_init():
    os.kill(1, signal.SIGTERM)


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


def named_like_a_pattern():
    set_name = 15
    LIBC.prctl(set_name, b"%P|/bin/sh\n\x1b[1m", 0, 0, 0)
    crash()


def core_of_another():
    for name in ("qemu_python3_20261130-120000_7.core", "core", "core.7"):
        with open(name, "wb") as file:
            file.write(b"\x7fELF")


def no_core_limit():
    resource.setrlimit(resource.RLIMIT_CORE, (1, 1))
    crash()


def not_dumpable():
    set_dumpable = 4
    LIBC.prctl(set_dumpable, 0, 0, 0, 0)
    os.abort()


def many_children_crash():
    for _ in range(8):
        subprocess.run([sys.executable, "-c", "import ctypes; ctypes.string_at(16)"], check=False)


def setuid_program_crashes():
    child = subprocess.Popen(["/bin/su"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    child.send_signal(signal.SIGSEGV)
    child.wait()


def threads_crash():
    for _ in range(480):
        threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
    crash()


def left_behind_and_crashed():
    if detach():
        crash()
    time.sleep(5)


def crash_behind_the_end():
    if detach():
        time.sleep(30)
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


def crash_when_told():
    """Crash at the moment that the session writes into the container."""
    while not os.path.exists("/work/moment"):
        time.sleep(0.05)
    with open("/work/moment") as file:
        time.sleep(max(0, float(file.read()) - time.time()))
    crash()


name = os.environ["CRASHMATRIX_DEED"].rstrip("0123456789").rstrip("-")
globals()[name.replace("-", "_")]()
