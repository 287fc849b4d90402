"""The defect of each of the five crash stories, as a package: the battery finds it without its scenario."""

from pathlib import Path

import pytest

from orchestrator.model import HazardResult
from orchestrator.pipeline import check
from tests.integration.test_check import OLD, checked, wheel

TLS_ATEXIT = """\
import atexit
import ctypes

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
block = libc.malloc(ctypes.c_size_t(1 << 22))  # so large that free() unmaps it
address = lambda function: ctypes.cast(function, ctypes.c_void_p)
# As the destructor of a thread_local in C++.
libc["__cxa_thread_atexit_impl"](address(libc.free), ctypes.c_void_p(block), address(libc.free))
if not REPAIRED:
    atexit.register(ctypes.string_at, block, 1)
"""
DAEMON_THREAD = """\
import atexit
import ctypes

libc = ctypes.CDLL(None)
libc["__cxa_atexit"](libc.usleep, ctypes.c_void_p(300_000), None)  # other libraries have handlers too


@ctypes.CFUNCTYPE(None, ctypes.c_void_p)
def tick(_value):
    pass


class Event(ctypes.Structure):
    _fields_ = [
        ("value", ctypes.c_void_p), ("signal", ctypes.c_int), ("notify", ctypes.c_int),
        ("function", type(tick)), ("attributes", ctypes.c_void_p), ("rest", ctypes.c_char * 32),
    ]


# glibc calls the function in a native thread of its own: it takes the GIL each time.
timer = ctypes.c_void_p()
ctypes.CDLL("librt.so.1").timer_create(1, ctypes.byref(Event(notify=2, function=tick)), ctypes.byref(timer))
EVERY = (ctypes.c_long * 4)(0, 5_000_000, 0, 5_000_000)
ctypes.CDLL("librt.so.1").timer_settime(timer, 0, EVERY, None)
if REPAIRED:
    atexit.register(ctypes.CDLL("librt.so.1").timer_delete, timer)
"""
PUTENV_SYSTEM = """\
import os
import threading


def add():
    for number in range(200):
        os.putenv(f"STORY_{number}", "1")


if not REPAIRED:
    threading.Thread(target=add).start()
"""
GETENV_RACE = """\
import ctypes
import threading

libc = ctypes.CDLL(None)


def probe():
    libc.setenv(b"SSL_CERT_FILE", b"/etc/ssl/cert.pem", 0 if REPAIRED else 1)
    libc.setenv(b"SSL_CERT_DIR", b"/etc/ssl/certs", 0 if REPAIRED else 1)


if not REPAIRED:
    thread = threading.Thread(target=probe)
    thread.start()
    thread.join()
"""
FINALIZE_SIGNAL = """\
#include <Python.h>
#include <signal.h>
#include <stdlib.h>

static PyOS_sighandler_t before;

static void late(void)
{
    if (REPAIRED && !Py_IsInitialized())
        return;
    PyOS_setsig(SIGINT, before);
    raise(SIGINT);
}

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "finalize_signal", NULL, -1, NULL};

PyMODINIT_FUNC PyInit_finalize_signal(void)
{
    before = PyOS_getsig(SIGINT);
    atexit(late);
    return PyModule_Create(&module);
}
"""
SETUP = """\
from setuptools import Extension, setup

setup(name="{name}", version="1.0", ext_modules=[Extension("finalize_signal", ["finalize_signal.c"])])
"""
PURE = {
    "tls-atexit": TLS_ATEXIT,
    "daemon-thread": DAEMON_THREAD,
    "putenv-system": PUTENV_SYSTEM,
    "getenv-race": GETENV_RACE,
}
CAUGHT = {
    "tls-atexit": "stop",
    "daemon-thread": "exit",
    "finalize-signal": "exit",
    "putenv-system": "environ-read",
    "getenv-race": "environ-read",
}
"""The hazard that finds a story's defect."""


def packages(folder: Path, *, repaired: bool) -> list[Path]:
    """The five packages, or their repaired twins."""
    end = "-repaired" if repaired else ""
    made = []
    for story, code in PURE.items():
        name = (story + end).replace("-", "_")
        made.append(wheel(folder, name, {f"{name}/__init__.py": f"REPAIRED = {repaired}\n{code}"}))
    tree = folder / f"finalize-signal{end}"
    tree.mkdir()
    (tree / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
        f'[project]\nname = "{tree.name}"\nversion = "1.0"\n'
    )
    (tree / "setup.py").write_text(SETUP.format(name=tree.name))
    (tree / "finalize_signal.c").write_text(f"#define REPAIRED {int(repaired)}\n{FINALIZE_SIGNAL}")
    return [*made, tree]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> check.FinishedCheck:
    """Each package and its twin, in the one cell of its hazard and in the one that imports it."""
    folder = tmp_path_factory.mktemp("stories")
    both = [*packages(folder, repaired=False), *packages(folder, repaired=True)]
    names = '("tls-atexit.served", "tls-atexit-repaired.served")'
    served = f'hazard == "stop" and launcher == "uwsgi" and scenario in {names}'
    where = f'{OLD} and ((launcher == "plain" and hazard in ("exit", "environ-read")) or ({served}))'
    return checked(folder, *both, where=where)


@pytest.mark.slow
@pytest.mark.parametrize("story", CAUGHT)
def test_the_battery_finds_the_defect_of_a_story_and_lets_the_repaired_twin_pass(
    made: check.FinishedCheck, story: str
) -> None:
    shown = {
        package.name: {cell.hazard: (cell.result, cell.reason) for cell in package.cells}
        for package in made.checked.packages
    }
    result, reason = shown[story][CAUGHT[story]]
    assert result is HazardResult.CRASHES, reason
    for result, reason in shown[f"{story}-repaired"].values():
        assert result is HazardResult.SAFE, reason
