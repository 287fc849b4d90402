"""A package with one defect in each cell, which the cell's hazard must find; its twin has no defect."""

import atexit
import ctypes
import os
import pathlib
import sys
import threading
import time
import weakref

REPAIRED = False
HAZARD = os.environ.get("CRASHMATRIX_HAZARD", "")
IMPORTED_IN = os.getpid()
libc = ctypes.CDLL(None, use_errno=True)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = (ctypes.c_size_t,)
closed = False
users = []
made = 0


def crash(*_):
    if not REPAIRED:
        ctypes.string_at(0)


class Finalizer:
    """Called instead of a function of the class, as native code is."""

    def __call__(self):
        if sys.is_finalizing():
            crash()


class Maker(type):
    def __call__(cls):
        global made
        made += 1
        in_use = USES.get(HAZARD)
        if in_use:
            in_use()
        return super().__call__()


def once_a_process():
    marker = f"/tmp/defect-{os.getpid()}"
    if os.path.exists(marker):
        crash()
    open(marker, "w").close()


def once_freed():
    marker = f"/tmp/freed-{os.getpid()}"
    if os.path.exists(marker):
        crash()
    weakref.finalize(sys.modules[__name__], pathlib.Path(marker).touch)


def add_variables():
    if not REPAIRED:
        os.environ["SSL_CERT_FILE"] = os.environ["SSL_CERT_DIR"] = "/"


def in_two_threads():
    users.append(threading.get_ident())
    time.sleep(0.001)
    if len(set(users)) > 1:
        crash()
    users.remove(threading.get_ident())


def read_freed():
    block = libc.malloc(64)
    if not REPAIRED:
        libc.free(ctypes.c_void_p(block))
    ctypes.string_at(block, 8)


def abort_at_exit():
    if not REPAIRED:
        libc["__cxa_atexit"](libc.abort, None, None)


def in_a_daemon_thread():
    if threading.current_thread().daemon:
        abort_at_exit()


def in_another_process():
    if os.getpid() != IMPORTED_IN:
        crash()


def in_a_child_of_a_user():
    if os.getpid() != IMPORTED_IN and made > 1:
        crash()


def once_closed():
    if closed:
        crash()


def interrupted():
    for _ in range(2000):
        if libc.usleep(100) != 0:
            crash()


def overrun():
    ctypes.pythonapi.PyMem_Malloc.restype = ctypes.c_void_p
    block = ctypes.pythonapi.PyMem_Malloc(ctypes.c_size_t(13))
    if not REPAIRED:
        ctypes.memset(block, 0, 14)
    ctypes.pythonapi.PyMem_Free(ctypes.c_void_p(block))


def uninitialized():
    block = libc.malloc(100_000)
    if ctypes.cast(block, ctypes.POINTER(ctypes.c_ubyte))[99_000]:
        crash()


def many_getenv():
    if not REPAIRED:
        for _ in range(20_000):
            libc.getenv(b"NOT_THERE")


def deep_native_calls(left=220):
    if REPAIRED or not left:
        return
    callback = ctypes.CFUNCTYPE(None)(lambda: deep_native_calls(left - 1))
    callback()


def in_a_thread():
    if threading.current_thread() is not threading.main_thread():
        atexit.register(crash)


def where_it_is_gone():
    atexit.register(lambda: __name__ in sys.modules or crash())


def close():
    global closed
    closed = True


def in_a_child_of_the_importer():
    atexit.register(in_another_process)


USES = {
    "alive-at-exit": abort_at_exit,
    "daemon-thread": in_a_daemon_thread,
    "fork": in_another_process,
    "fork-used": in_a_child_of_a_user,
    "multiprocessing-fork": in_another_process,
    "multiprocessing-forkserver": in_another_process,
    "atexit": once_closed,
    "parallel-use": in_two_threads,
    "signals": interrupted,
    "malloc-debug": overrun,
    "dev-mode": overrun,
    "malloc-perturb": uninitialized,
}
IMPORTS = {
    "exit": lambda: atexit.register(crash),
    "thread-import": in_a_thread,
    "subinterpreter": once_a_process,
    "own-gil": lambda: crash() if not is_main() else None,
    "reimport": once_freed,
    "drop-exit": where_it_is_gone,
    "atexit": lambda: atexit.register(close),
    "setenv-import": many_getenv,
    "environ-read": add_variables,
    "valgrind": lambda: atexit.register(read_freed),
    "small-stack": deep_native_calls,
    "stop": in_a_child_of_the_importer,
    "stop-lazy": lambda: atexit.register(crash),
    "reload": in_a_child_of_the_importer,
    "reload-lazy": lambda: atexit.register(crash),
}


def is_main():
    try:
        import _interpreters
    except ImportError:
        import _xxsubinterpreters as _interpreters
    current = _interpreters.get_current()
    return (current[0] if isinstance(current, tuple) else int(current)) == 0


class Native(metaclass=Maker):
    if HAZARD in ("use-exit", "gc-at-exit"):
        __del__ = Finalizer()


IMPORTS.get(HAZARD, lambda: None)()
