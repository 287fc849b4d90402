"""A project of as many cells as asked for, all of which run, on this repository's own images."""

import shutil
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
STORY: Final = "tls-atexit"
COMBINATIONS: Final = 2 * 4 * 2 * 2
"""Cells for each value of the project's own axes: python, glibc, launcher and probe."""
SIZES: Final = 125
MATRIX: Final = """\
schema: 1
axes:
  scenario: [large]
  python: ["3.11", "3.13"]
  glibc: ["2.17", "2.31", "2.36", "2.41"]
  arch: [x86_64]
  launcher: [plain, uwsgi]
  probe: [cpp, rust]
  size: [{sizes}]
  seed: [{seeds}]
profiles:
  full: {{title: Everything}}
default_profile: full
"""
SCENARIO: Final = """\
schema: 1
title: A large matrix
story: The first story without its remedies, for every size and seed.
driver: driver.py
timeout: 30
launcher_options:
  - when: 'launcher == "uwsgi" and size == "s3"'
    options: [--master, --skip-atexit]
probes:
  cpp: {source: cpp/tlsprobe.cpp, module: tlsprobe}
  rust: {source: rust/tlsprobe.rs, module: tlsprobe}
expect:
  - when: 'launcher == "plain"'
    outcome: exit
    status: clean
    message: 'tlsprobe: atexit callback ran, value alive'
    because: Python's own main finalizes the interpreter before it returns to exit(), so the value is alive.
    source: https://docs.python.org/3.13/c-api/init.html#c.Py_RunMain
  - when: 'launcher == "uwsgi" and probe == "cpp" and glibc >= "2.18"'
    outcome: signal
    signal: SIGSEGV
    frames: [atexit_handler, uwsgi_plugins_atexit, exit, end_me]
    because: >-
      exit() runs __call_tls_dtors first, and uWSGI finalizes Python from a function that it registered with
      atexit(): the callback dereferences the pointer that the C++ destructor cleared.
    source: https://sourceware.org/git/?p=glibc.git;a=blob;f=stdlib/exit.c;hb=glibc-2.18
  - when: 'launcher == "uwsgi" and not (probe == "cpp" and glibc >= "2.18")'
    outcome: exit
    status: clean
    because: The value is alive, or Rust says that it is not.
"""


def write_project(folder: Path, cells: int) -> int:
    """Write the project; returns how many cells it has, the next whole number of combinations."""
    seeds = max(1, -(-cells // (COMBINATIONS * SIZES)))
    shutil.copytree(ROOT / "images", folder / "images")
    shutil.copytree(ROOT / "scenarios" / STORY, folder / "scenarios" / "large")
    (folder / "scenarios" / "large" / "scenario.yaml").write_text(SCENARIO, encoding="utf-8")
    text = MATRIX.format(sizes=_values("s", SIZES), seeds=_values("r", seeds))
    (folder / "matrix.yaml").write_text(text, encoding="utf-8")
    return COMBINATIONS * SIZES * seeds


def _values(letter: str, count: int) -> str:
    return ", ".join(f"{letter}{number}" for number in range(count))
