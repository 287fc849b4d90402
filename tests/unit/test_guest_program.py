"""`analyze` of an arm64 guest's core, with the program's file in the sysroot and given by `--exe`.

tests/data/cores/guest-fault.c, under qemu 7.2. qemu's core lists no mapped files, so nothing is known of the
program before its file is found; the C library is not in the sysroot.
"""

from pathlib import Path

import pytest

from orchestrator.adapters import process
from orchestrator.binary.core.unpack import plain_core
from orchestrator.model import Crash
from orchestrator.pipeline.analyze import AnalyzeRequest, analyze_core

DATA = Path(__file__).parents[1] / "data/cores"
PROGRAM = "/g/guest-fault"
FACTS = {
    "signal": (11, "SIGSEGV"),
    "signal code, worked out": ("SEGV_MAPERR", True),
    "fault address": ("0x60", "near NULL: 0x60 bytes from a NULL pointer"),
    "pc": "0x55000106dc",
    "function": ("touch", 8),
    "exactness": True,
    "module": (PROGRAM, 8),
    "source line": ("guest.c", 12),
    "process": ("guest-fault", (PROGRAM, "now")),
    "architecture": ("arm64", False),
    "threads": [(7, True), (9, False)],
    "frames": [("touch", 8, "guest.c", 12), ("ask", 24, "guest.c", 13), ("main", 76, "guest.c", 23)],
    "current instruction": [
        ("0x55000106dc", "str w0, [x8]", "w0=0x3; x8=0x60; [x8] → 0x60, not in the core"),
    ],
    "registers": {
        "x0": "0x3", "x8": "0x60", "x30": "0x55000106c0", "sp": "0x5502831c10", "pc": "0x55000106dc",
    },
    "modules": [(PROGRAM, "0x5500000000")],
    "signature": "SIGSEGV touch > ask > main",
}  # fmt: skip


def facts(crash: Crash) -> dict[str, object]:
    site, thread = crash.crash, crash.crashed_thread
    assert thread is not None
    first = thread.native[0]
    return {
        "signal": (crash.signal.number, crash.signal.name),
        "signal code, worked out": (
            crash.signal.code, any("are worked out from the instruction" in said for said in crash.warnings)
        ),
        "fault address": (crash.signal.fault_address, crash.signal.meaning),
        "pc": site.pc,
        "function": (site.function, site.offset),
        "exactness": site.exact and all(frame.exact for frame in thread.native),
        "module": (first.module, first.offset),
        "source line": (first.file, first.line),
        "process": (crash.process, crash.command),
        "architecture": (crash.arch, crash.truncated),
        "threads": [(thread.tid, thread.crashed) for thread in crash.threads],
        "frames": [(frame.function, frame.offset, frame.file, frame.line) for frame in thread.native],
        "current instruction": [(i.address, i.text, i.operands) for i in site.disassembly if i.current],
        "registers": {name: thread.registers.get(name) for name in ("x0", "x8", "x30", "sp", "pc")},
        "modules": [(module.path, module.base) for module in crash.modules],
        "signature": crash.signature,
    }  # fmt: skip


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRASHMATRIX_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def sysroot(tmp_path: Path) -> Path:
    """A sysroot that has the program."""
    folder = tmp_path / "root"
    (folder / "g").mkdir(parents=True)
    (folder / "g/guest-fault").write_bytes((DATA / "guest-fault").read_bytes())
    return folder


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    (tmp_path / "empty").mkdir()
    return tmp_path / "empty"


@pytest.fixture(params=["gdb", "elf"])
def backend(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if name == "gdb" and process.find("gdb-multiarch") is None:
        pytest.skip("gdb-multiarch is not installed")
    return name


def ask(core: Path, backend: str, sysroot: Path, program: Path | None = None) -> Crash:
    crash = analyze_core(
        AnalyzeRequest(core=str(core), program=program, sysroot=sysroot, backends=(backend,))
    )
    assert crash.sources["native"] == backend, crash.warnings
    return crash


def test_the_facts_of_a_guest_are_right_with_its_program_in_the_sysroot(backend: str, sysroot: Path) -> None:
    assert facts(ask(DATA / "guest-fault.core.zst", backend, sysroot)) == FACTS


def test_the_facts_of_a_guest_are_right_with_its_program_by_exe(backend: str, empty: Path) -> None:
    assert facts(ask(DATA / "guest-fault.core.zst", backend, empty, DATA / "guest-fault")) == FACTS


def test_exe_goes_before_another_program_of_the_same_path(backend: str, sysroot: Path) -> None:
    (sysroot / "g/guest-fault").write_bytes((DATA / "guest").read_bytes())
    assert facts(ask(DATA / "guest-fault.core.zst", backend, sysroot, DATA / "guest-fault")) == FACTS


def test_a_guest_that_was_started_by_a_relative_path_is_read_with_exe(
    backend: str, empty: Path, tmp_path: Path
) -> None:
    with plain_core(DATA / "guest-fault.core.zst") as plain:
        content = plain.read_bytes()
    relative = f".{PROGRAM}".encode()[: len(PROGRAM)]  # "./g/guest-faul": as long as the absolute path
    (tmp_path / "core").write_bytes(content.replace(PROGRAM.encode(), relative))
    crash = ask(tmp_path / "core", backend, empty, DATA / "guest-fault")
    (module,) = crash.modules
    said = facts(crash)
    assert said["process"] == ("guest-fault", (relative.decode(), "now"))
    assert said["module"] == (module.path, 8)
    same = FACTS.keys() - {"process", "module", "modules"}
    assert {name: said[name] for name in same} == {name: FACTS[name] for name in same}
