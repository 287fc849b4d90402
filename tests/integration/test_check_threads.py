"""What packages do without the GIL, beside the same cells with it: one made package for each class."""

from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator import check as checks
from orchestrator.check import FreeThreaded, ThreadClass
from orchestrator.pipeline import check
from tests.integration.test_check import options_for, wheel, whole

WHERE = (
    'python in ("3.13", "3.13t") and glibc == "2.36" and launcher == "plain" '
    'and hazard in ("exit", "use-exit", "thread-import", "atexit", "gc-at-exit", "fork", "dev-mode")'
)
FEW, MANY = 2, 40
"""Further trials of a hit. One of a deadlock takes its whole time limit."""
HERE = "py3.13t-glibc2.36-x86_64"
FREE = """\
import ctypes
import os
import sys
import threading

FREE = not getattr(sys, "_is_gil_enabled", lambda: True)()
"""
CODE = {
    "calm": "",
    "crashing": f"{FREE}\nif FREE:\n    ctypes.string_at(0)\n",
    "waiting": f"{FREE}\nif FREE:\n    lock = threading.Lock()\n    lock.acquire()\n    lock.acquire()\n",
    # Three of four imports: none in seven cells, or all in forty further trials, once in 14,000 times.
    "dicing": f"{FREE}\nif FREE and os.urandom(1)[0] & 3:\n    ctypes.string_at(0)\n",
}
MODULE = """\
#include <Python.h>

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "leaning", NULL, -1, NULL};

PyMODINIT_FUNC PyInit_leaning(void)
{
    return PyModule_Create(&module);
}
"""
PROJECT = """\
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "leaning"
version = "1.0"
"""
SETUP = """\
from setuptools import Extension, setup

setup(ext_modules=[Extension("leaning", ["leaning.c"])])
"""


def leaning(folder: Path) -> Path:
    """A source tree whose extension does not say that it needs no GIL."""
    tree = folder / "leaning"
    tree.mkdir()
    for name, text in {"pyproject.toml": PROJECT, "setup.py": SETUP, "leaning.c": MODULE}.items():
        (tree / name).write_text(text)
    return tree


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, FreeThreaded]:
    """What each package does in the environment without the GIL."""
    folder = tmp_path_factory.mktemp("threads")
    made = {name: wheel(folder, name, {f"{name}/__init__.py": code}) for name, code in CODE.items()}
    dicing = made.pop("dicing")
    return classified(folder, *made.values(), leaning(folder), again=FEW) | classified(
        folder, dicing, again=MANY
    )


def classified(folder: Path, *packages: Path, again: int) -> dict[str, FreeThreaded]:
    options = options_for(folder, *packages, where=WHERE, again=again)
    finished: check.FinishedCheck = whole(replace(options, everywhere=True))
    told = {item.name: checks.free_threaded(item, finished.hits) for item in finished.checked.packages}
    assert all([item.environment for item in items] == [HERE] for items in told.values()), told
    return {name: items[0] for name, items in told.items()}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("package", "expected"),
    [
        ("calm", ThreadClass.COMPATIBLE),
        ("leaning", ThreadClass.FALLS_BACK),
        ("crashing", ThreadClass.CRASHES),
        ("waiting", ThreadClass.DEADLOCKS),
        ("dicing", ThreadClass.INTERMITTENT),
    ],
)
def test_a_package_without_the_gil_is_of_its_class_and_beside_it_with_the_gil_nothing_happens(
    classes: dict[str, FreeThreaded], package: str, expected: ThreadClass
) -> None:
    """The portable 3.13.5 and 3.13.5t are compiled first, where they are not there."""
    found = classes[package]
    assert found.kind is expected
    assert found.with_gil == ()
    assert bool(found.hazards) == (expected not in (ThreadClass.COMPATIBLE, ThreadClass.FALLS_BACK))
    if expected is ThreadClass.INTERMITTENT:
        assert found.rate is not None
        assert 0 < found.rate.count < found.rate.trials == MANY
