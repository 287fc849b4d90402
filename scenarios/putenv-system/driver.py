"""Execute programs in four threads while another one changes the environment; say which call failed.

Plain Python runs this file to its end; uWSGI loads it and calls `application` for a request.
"""

import ctypes
import importlib.util
import os
import subprocess
import threading
import time

THREADS = 4
SECONDS = 0.3
"""Of one trial. Where a call can fail, the first failure mostly comes within 0.25 s."""
CHANGES = 200
"""Made before any thread starts, by the mitigation `before-threads`."""

CHANGE = os.environ["CRASHMATRIX_CHANGE"]
EXECUTE = os.environ["CRASHMATRIX_EXECUTE"]
WRITER = os.environ["CRASHMATRIX_WRITER"]
MITIGATION = os.environ["CRASHMATRIX_MITIGATION"]

probe = ctypes.CDLL(importlib.util.find_spec("envchange").origin)
probe.envchange_stop.restype = ctypes.c_long


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


def put_until(stop):
    """The writer os.putenv: Python's own, with the GIL held. It does not help: `system` runs without it."""
    number = 0
    while not stop.is_set():
        name = "CM_CHANGED" if CHANGE == "overwrite" else f"CM_{number % 20000}"
        os.putenv(name, "x" * (number % 2 + 1))
        if CHANGE == "shrink":
            os.unsetenv(name)
        number += 1
        time.sleep(0.00002)


def run():
    """One trial; returns what the first failed call said, and how many were made."""
    call = EXECUTIONS[EXECUTE]
    execute = (lambda: locked(call)) if MITIGATION == "lock" else call
    stop, failures, calls = threading.Event(), [], []

    def worker():
        while not stop.is_set():
            calls.append(1)
            failed = execute()
            if failed:
                failures.append(failed)
                stop.set()

    threads = [threading.Thread(target=worker) for _ in range(THREADS)]
    if WRITER == "os-putenv":
        threads.append(threading.Thread(target=put_until, args=(stop,)))
    elif MITIGATION == "before-threads":
        probe.envchange_now(CHANGE.encode(), ctypes.c_long(CHANGES))
    else:
        probe.envchange_start(CHANGE.encode(), int(MITIGATION == "lock"))
    for thread in threads:
        thread.start()
    stop.wait(SECONDS)
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
