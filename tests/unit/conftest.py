from pathlib import Path

import pytest

from orchestrator.model import Arch, Base, Catalogue, OwnPython, Suite

MATRIX = """\
schema: 1
axes:
  scenario: [tls-atexit]
  python: ["3.9", "3.11"]
  glibc: ["2.31", "2.36"]
  arch: [x86_64, arm64]
  launcher: [plain, uwsgi]
  probe: [cpp, rust]
exclude:
  - when: 'glibc == "2.36" and probe == "rust"'
    reason: left out by the test
profiles:
  smoke: {axes: {arch: [x86_64]}}
  uwsgi: {axes: {arch: [x86_64]}, select: 'launcher == "uwsgi"'}
default_profile: smoke
"""

SCENARIO = """\
schema: 1
title: A title
story: A story.
driver: driver.py
timeout: 10
probes:
  cpp: {source: probe.cpp, module: probe}
  rust: {source: probe.rs, module: probe}
expect:
  - when: 'launcher == "uwsgi"'
    outcome: signal
    signal: SIGSEGV
    frames: [atexit_handler]
    because: it crashes
  - when: 'launcher == "plain"'
    outcome: exit
    status: 0
    because: it does not
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project's folder with a small matrix and one scenario."""
    (tmp_path / "matrix.yaml").write_text(MATRIX)
    folder = tmp_path / "scenarios" / "tls-atexit"
    folder.mkdir(parents=True)
    (folder / "scenario.yaml").write_text(SCENARIO)
    for name in ("driver.py", "probe.cpp", "probe.rs"):
        (folder / name).write_text("")
    return tmp_path


@pytest.fixture
def catalogue() -> Catalogue:
    """Two bases, x86_64 only."""

    def base(name: str, glibc: str, python: str) -> Base:
        own = OwnPython(version=python, toolchain=("gcc",))
        debian = Suite(suite=name, packages=())
        return Base(name=name, glibc=glibc, arches=(Arch.X86_64,), debian=debian, pythons=(own,))

    return Catalogue(
        bases=(base("old", "2.31", "3.9"), base("new", "2.36", "3.11")),
        languages=("cpp", "rust"),
        builder_suite="new",
        downloads=(),
    )
