"""Deeds that crash, and what they do to the collection of their core."""

import ctypes
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time

from doing import CRASH, LIBC, crash, detach


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
        subprocess.run([sys.executable, "-c", CRASH], check=False)


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


def odd_program():
    """Its name has a line's end, bytes that are no text, and what the kernel writes behind a removed one."""
    name = b"/work/a\n\xff\x1b[2J (deleted)"
    shutil.copy(os.path.realpath(sys.executable), name)
    subprocess.run([name, "-c", CRASH], check=False)


def program_without_a_file():
    file = os.memfd_create("\x1b[2J\nlib.so")
    with open(sys.executable, "rb") as program:
        os.write(file, program.read())
    os.execve(file, [sys.executable, "-c", CRASH], {"PYTHONHOME": "/usr"})


def unreadable_program():
    """The kernel lets nobody but root look at such a process."""
    shutil.copy(os.path.realpath(sys.executable), "/work/copied")
    os.chmod("/work/copied", 0o111)
    os.execv("/work/copied", ["/work/copied", "-c", CRASH])


def large_environment():
    many = {f"V{number}": "x" * 100_000 for number in range(18)}
    os.execve(sys.executable, [sys.executable, "-c", CRASH], many)


def many_mappings():
    for number in range(60_000):
        # Alternately readable and writable, so that the kernel joins no two.
        LIBC.mmap(None, ctypes.c_size_t(4096), 1 + number % 2 * 2, 0x22, -1, ctypes.c_long(0))
    crash()


def no_file_size():
    """A core that is a file would be empty."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    crash()


def removed_folder():
    os.mkdir("gone")
    os.chdir("gone")
    os.rmdir("../gone")
    crash()


def traced_child_crashes():
    """The signal stops a child that is traced, and does not end it."""
    child = os.fork()
    if child == 0:
        LIBC.ptrace(0, 0, None, None)
        crash()
    os.waitpid(child, 0)
    os._exit(0)


def first_thread_ends():
    """The process is a zombie then, of which other threads still run, and crash."""
    threading.Thread(target=lambda: (time.sleep(1), crash())).start()
    LIBC.pthread_exit(None)


def crash_in_an_exit():
    threading.Thread(target=crash).start()
    os._exit(0)


def crash_when_told():
    """Crash at the moment that the session writes into the container."""
    while not os.path.exists("/work/moment"):
        time.sleep(0.05)
    with open("/work/moment") as file:
        time.sleep(max(0, float(file.read()) - time.time()))
    crash()


def like_a_mark():
    """As the supervisor separates the trials of a container, but for its secret."""
    os.write(1, b"\x1ecrashmatrix 00000000000000000000000000000000\x1e\n" * 10_000)
    crash()
