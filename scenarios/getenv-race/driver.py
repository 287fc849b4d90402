"""Read the environment through libc in one thread while another one sets variables; say so where it survived.

Plain Python runs this file to its end; uWSGI loads it and calls `application` for a request.
"""

import ctypes
import importlib.util
import locale
import os
import threading
import time
from contextlib import suppress

SECONDS = 0.4
"""Of one trial. Where the reader can crash, it mostly does within a tenth of that."""
NAMES = 120
M_ARENA_MAX = -8
"""Of malloc.h."""

READER = os.environ["CRASHMATRIX_READER"]
WRITER = os.environ["CRASHMATRIX_WRITER"]
LOCALE = os.environ["CRASHMATRIX_LOCALE"]
MITIGATION = os.environ["CRASHMATRIX_MITIGATION"]
READERS = {"getenv": 0, "strerror": 1}
BY_RUST = 2

probe = ctypes.CDLL(importlib.util.find_spec("envrace").origin)


def choose_locale():
    """With the locale C, strerror asks for no LANGUAGE since glibc 2.21; applications set their user's."""
    if LOCALE == "C":
        locale.setlocale(locale.LC_ALL, "C")
        return
    try:
        locale.setlocale(locale.LC_ALL, "C.UTF-8")
    except locale.Error:
        print("getenv-race: there is no locale C.UTF-8", flush=True)


def read_by_oserror(stop):
    """The story's own reader: CPython makes the text of an OSError by strerror, with the GIL held."""
    while not stop.is_set():
        for _ in range(1000):
            with suppress(OSError):
                os.stat("/not-there")


def put(stop):
    """The writer os.putenv: Python's own, with the GIL held.

    It keeps text of the old array's size, as the probe does, and a block behind the new array, so that it
    cannot grow in place; 33 bytes of each object are its own.
    """
    before = len(os.environ)
    kept = []
    for number in range(NAMES):
        if stop.is_set():
            break
        os.putenv(f"CM_SET_{number}", "/etc/ssl/certs")
        size = 8 * (before + number + 1) - 33
        kept += [b"A" * size, bytes(size)]
        time.sleep(0.001)


def start_reader(stop):
    """Start the thread that reads; returns it where it is Python's."""
    if READER == "oserror":
        thread = threading.Thread(target=read_by_oserror, args=(stop,))
        thread.start()
        return [thread]
    how = BY_RUST if MITIGATION == "rust-lock" else READERS[READER]
    probe.envrace_start_reader(how, int(MITIGATION == "lock"))
    return []


def start_writer(stop):
    """Start the thread that sets variables; returns it where it is Python's."""
    if MITIGATION == "before-threads":
        return []
    if WRITER == "os-putenv":
        thread = threading.Thread(target=put, args=(stop,))
        thread.start()
        return [thread]
    probe.envrace_start_writer(int(MITIGATION == "lock"))
    return []


def run():
    """One trial; comes back only where nothing crashed."""
    # One heap for all threads: the array stays in the heap where it was first made, and a thread with a heap
    # of its own would never use that memory again.
    ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)
    choose_locale()
    if MITIGATION == "before-threads":
        probe.envrace_set_now()
    stop = threading.Event()
    threads = start_reader(stop) + start_writer(stop)
    time.sleep(SECONDS)
    stop.set()
    probe.envrace_stop()
    for thread in threads:
        thread.join()
    print("getenv-race: survived", flush=True)


def application(environ, start_response):
    """Answer 200 after one trial that was survived."""
    run()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"survived\n"]


if __name__ == "__main__":
    run()
