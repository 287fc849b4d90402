"""Deeds that use up a resource."""

import contextlib
import itertools
import mmap
import os
import sys
import threading
import time

from doing import LIBC, crash, fill


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


def deep_folders():
    for _ in range(20_000):
        os.mkdir("d")
        os.chdir("d")


def segments():
    """Shared memory of System V, which has no process that the kernel could kill for it."""
    while LIBC.shmget(0, 1 << 20, 0o1600) >= 0:
        pass
    crash()


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


def long_line():
    for _ in range(250):
        os.write(2, b"Traceback (most recent call last):" + b" " * (1 << 20))
    sys.exit(3)
