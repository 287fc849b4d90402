"""Cores as kernels and people make them: other parts of memory, deleted programs, other roots."""

import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.adapters.engine import Engine
from orchestrator.model import Crash
from orchestrator.pipeline.analyze import AnalyzeRequest, analyze_core
from tests.integration.dying import FAULTS, LABELS

BACKENDS = pytest.mark.parametrize("backend", ["gdb", "elf"])
SIGNATURE = "SIGSEGV touch > segv > main"
Read = Callable[[str, str], Crash]


@pytest.fixture
def read(core_of: Callable[..., Path], image: str) -> Read:
    """Reads the core of a shell's command, by one backend."""

    def read(script: str, backend: str) -> Crash:
        core = str(core_of("/bin/sh", "-c", script))
        return analyze_core(AnalyzeRequest(core=core, image=image, backends=(backend,)))

    return read


@BACKENDS
@pytest.mark.parametrize(
    "kept",
    [
        pytest.param("0x0", id="nothing"),
        pytest.param("0x1", id="private memory alone"),
        pytest.param("0x11", id="with the first pages of files"),
        pytest.param("0x7f", id="all but memory of devices"),
        pytest.param("0x1ff", id="everything"),
    ],
)
def test_whatever_parts_of_memory_are_in_the_core(kept: str, backend: str, read: Read) -> None:
    """coredump_filter, core(5)."""
    crash = read(f"echo {kept} > /proc/self/coredump_filter; exec {FAULTS} segv", backend)
    assert (crash.signal.name, crash.signal.fault_address) == ("SIGSEGV", "0x60")
    if kept == "0x0":
        assert crash.warnings, "no stack is in it"
    else:
        assert crash.signature == SIGNATURE, crash.warnings


@pytest.fixture
def static(engine: Engine, image: str, tmp_path: Path) -> Path:
    """The program that needs no library, on this host."""
    container = engine.hold(image, labels=LABELS)
    try:
        for _, content in engine.fetch(container, "/faults/static"):
            (tmp_path / "static").write_bytes(content.read())
    finally:
        engine.remove(container)
    (tmp_path / "static").chmod(0o755)
    return tmp_path / "static"


def match_of(*command: str, folder: Path) -> str:
    """The match by which coredumpctl finds the core of a command that crashes on this host."""
    limit = resource.getrlimit(resource.RLIMIT_CORE)[1]
    if limit == 0 and os.geteuid() != 0:
        pytest.skip("this user's processes may leave no core: the hard limit of RLIMIT_CORE is 0")
    core = "unlimited" if os.geteuid() == 0 else f"{limit}:{limit}"
    process = subprocess.Popen(["prlimit", f"--core={core}", *command], cwd=folder)  # noqa: S607
    assert process.wait() == -signal.SIGSEGV
    match = f"COREDUMP_PID={process.pid}"
    listed = ["coredumpctl", "info", "--quiet", match]
    while subprocess.run(listed, capture_output=True, check=False).returncode != 0:
        time.sleep(0.2)  # systemd-coredump writes it after the process has ended
    return match


@BACKENDS
def test_a_program_that_was_deleted_is_read_by_a_copy_of_it(
    backend: str, static: Path, tmp_path: Path
) -> None:
    """The kernel names it `PATH (deleted)`."""
    script = f"cp {static} gone; exec 9<gone; rm gone; exec /proc/self/fd/9 segv"
    match = match_of("/bin/sh", "-c", script, folder=tmp_path)
    crash = analyze_core(AnalyzeRequest(core=match, backends=(backend,)))
    assert crash.signal.fault_address == "0x60"
    assert crash.crash.function is None
    assert any("gone (deleted)" in said for said in crash.warnings), crash.warnings
    crash = analyze_core(AnalyzeRequest(core=match, program=static, backends=(backend,)))
    assert crash.signature == SIGNATURE, crash.warnings


@BACKENDS
def test_a_program_in_another_root_is_read_with_that(backend: str, static: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "bin").mkdir(parents=True)
    static.rename(root / "bin" / "f")
    match = match_of("unshare", "--map-root-user", "--root", str(root), "/bin/f", "segv", folder=tmp_path)
    crash = analyze_core(AnalyzeRequest(core=match, sysroot=root, backends=(backend,)))
    assert crash.signature == SIGNATURE, crash.warnings
    assert [module.path for module in crash.modules] == ["/bin/f"]
