"""Execute programs in four threads while another one changes the environment; say which call failed.

Plain Python runs this file to its end; uWSGI loads it and calls `application` for a request.
"""

import ctypes
import importlib.util
import itertools
import os
import subprocess
import threading
import time

THREADS = 4
SECONDS = 0.3
"""Of one trial. Where a call can fail, the first failure mostly comes within 0.25 s."""
CHANGES = 200
"""Made before any thread starts, by the mitigation `before-threads`."""
FIRST_NAMES = 1000
"""That are there before any thread starts: the kernel counts the names and then copies one after the other.
The more there are, the longer the time in which a change can meet it."""
M_ARENA_MAX = -8
"""Of malloc.h."""

CHANGE = os.environ["CRASHMATRIX_CHANGE"]
EXECUTE = os.environ["CRASHMATRIX_EXECUTE"]
WRITER = os.environ["CRASHMATRIX_WRITER"]
MITIGATION = os.environ["CRASHMATRIX_MITIGATION"]

libc = ctypes.CDLL(None)
probe = ctypes.CDLL(importlib.util.find_spec("envchange").origin)
probe.envchange_stop.restype = ctypes.c_long

COPY = []
"""The arrays of `copy_environ`, which must not go away."""


def by_system():
    """The story's own: libc's `system` hands the array that `environ` points to right then to execve."""
    status = os.system("true")
    return f"os.system returned {status}" if status else None


def by_subprocess():
    """From 3.10 on the child shares this memory until it executes (vfork); before, it had a copy (fork).

    By name, not by path: for a path CPython 3.13 and later may call posix_spawn, the next but one.
    """
    try:
        subprocess.run(["true"], check=True)
    except OSError as error:
        return f"subprocess.run raised OSError {error.errno} ({error.strerror})"
    return None


def by_posix_spawn():
    """An environment of its own, made from a dict that no native thread changes."""
    pid = os.posix_spawn("/bin/true", ["true"], {"PATH": "/usr/bin:/bin"})
    _, status = os.waitpid(pid, 0)
    return f"posix_spawn's child ended with {status}" if status else None


def by_posix_spawn_inherited():
    """Without an environment (3.13 and later), as subprocess does there for a path.

    CPython compares the array that it passed with `environ` afterwards, and frees it where they differ.
    """
    try:
        os.waitpid(os.posix_spawn("/bin/true", ["true"], None), 0)
    except OSError as error:
        return f"os.posix_spawn raised OSError {error.errno} ({error.strerror})"
    return None


EXECUTIONS = {
    "system": by_system,
    "subprocess": by_subprocess,
    "posix-spawn": by_posix_spawn,
    "posix-spawn-inherited": by_posix_spawn_inherited,
}


def locked(execute):
    """The call, with the lock held that the changing thread takes for each change."""
    probe.envchange_lock()
    try:
        return execute()
    finally:
        probe.envchange_unlock()


def copy_environ():
    """Have `environ` point to an array that malloc never gave out, as it does in every new process.

    CPython itself may have changed that before this file runs, by setting LC_CTYPE.
    """
    environ = ctypes.POINTER(ctypes.c_void_p).in_dll(libc, "environ")
    strings = list(itertools.takewhile(bool, (environ[slot] for slot in itertools.count())))
    COPY.append((ctypes.c_void_p * (len(strings) + 3))(None, None, *strings, None))
    environ.contents = ctypes.c_void_p.from_buffer(COPY[-1], 2 * ctypes.sizeof(ctypes.c_void_p))


def prepare():
    """Set what is there before the first thread starts; returns how many names there are.

    One heap for all threads: the array of pointers stays in the heap where it was first made, and a thread
    with a heap of its own would never use that memory again. A name that is only to be overwritten has to be
    there: its first value would add a pointer to the array.
    """
    libc.mallopt(M_ARENA_MAX, 1)
    names = [f"CM_FIRST_{number}" for number in range(FIRST_NAMES)]
    if CHANGE == "overwrite":
        names = ["CM_CHANGED"]
    elif EXECUTE == "posix-spawn-inherited":
        names = []  # glibc 2.41 and later, of which this is asked, replace the array only when it has doubled
        copy_environ()
    for name in names:
        os.putenv(name, "first")
    return len(os.environ) + len(names)


def put_until(stop, before):
    """The writer os.putenv: Python's own, with the GIL held. It does not help: `system` runs without it.

    Where it adds, it uses memory as the probe does; 33 bytes of each object are its own.
    """
    kept = []
    number = 0
    while not stop.is_set():
        name = "CM_CHANGED" if CHANGE == "overwrite" else f"CM_{number % 20000}"
        os.putenv(name, "x" * (number % 2 + 1))
        if CHANGE == "shrink":
            os.unsetenv(name)
        elif CHANGE == "grow":
            size = 8 * (before + number + 1) - 33
            kept += [b"A" * size, bytes(size)]
        number += 1
        if CHANGE == "grow" or number % 20 == 0:
            time.sleep(0.00002)


def let_run(stop):
    """Wait for the end of the trial, or for the first failure.

    The next change replaces the copied array, so the copy is made again and again.
    """
    for _ in range(20):
        if not stop.wait(SECONDS / 20) and COPY:
            copy_environ()


def run():
    """One trial; returns what the first failed call said, and how many were made."""
    call = EXECUTIONS[EXECUTE]
    execute = (lambda: locked(call)) if MITIGATION == "lock" else call
    before = prepare()
    stop, failures, calls = threading.Event(), [], []

    def worker():
        while not stop.is_set():
            calls.append(1)
            failed = execute()
            if failed:
                failures.append(failed)
                stop.set()

    threads = [threading.Thread(target=worker) for _ in range(THREADS)]
    if MITIGATION == "before-threads":
        probe.envchange_now(CHANGE.encode(), ctypes.c_long(CHANGES))
    if WRITER == "os-putenv":
        threads.append(threading.Thread(target=put_until, args=(stop, before)))
    for thread in threads:
        thread.start()
    if MITIGATION != "before-threads" and WRITER == "native":
        probe.envchange_start(CHANGE.encode(), int(MITIGATION == "lock"))
    let_run(stop)
    stop.set()
    probe.envchange_stop()
    for thread in threads:
        thread.join()
    return (failures or [None])[0], len(calls)


def report():
    """Run a trial and say what was seen. A failed call aborts the process: its core keeps the evidence."""
    failure, calls = run()
    said = f"call failed: {failure}, one of" if failure else "every call worked:"
    print(f"putenv-system: {said} {calls} calls", flush=True)
    if failure:
        os.abort()


def application(environ, start_response):
    """Answer 200 after one trial in which every call worked."""
    report()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"every call worked\n"]


if __name__ == "__main__":
    report()
