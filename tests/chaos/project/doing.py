"""What several deeds use."""

import ctypes
import os

LIBC = ctypes.CDLL(None, use_errno=True)
CRASH = "import ctypes; ctypes.string_at(16)"
"""A program that crashes."""


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
