"""gdb's backtrace and that of the backend `elf`, frame by frame, on cores of every kind of death.

With debug information both have frames of inlined and of tail calls too, which the stack itself has not;
those of tail calls `elf` has on x86-64 alone. gdb writes the arguments of a C++ function that only a symbol
names; `elf` names the nearest symbol where none covers the pc. The flags at a fault that a handler was
called for gdb leaves as they are in the handler.
"""

import subprocess
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from orchestrator.adapters.engine import Engine
from orchestrator.binary.core.unpack import plain_core
from orchestrator.cores import image_source
from orchestrator.host import HostPaths, probe
from orchestrator.model import Crash, NativeFrame, Thread
from orchestrator.model.frame_names import plain_name
from orchestrator.pipeline.analyze import AnalyzeRequest, analyze_core
from tests.integration.dying import FAULTS, GUEST_CELL, LABELS, Read, build_guests, die_emulated
from tests.integration.runs import command as command_line

WAYS = (
    "segv", "bus", "fpe", "ill", "trap", "abrt", "sys", "own", "twice", "claim", "overflow", "wild", "data",
    "gone", "threads", "terminate", "handler", "stale", "getenv_race",
    "refilled", "released", "recovered", "passed_on", "copied",
)  # fmt: skip
PROGRAMS = (FAULTS, "/faults/static", "/faults/stripped")
SURVIVES = {("/faults/static", "getenv_race"), ("/faults/static", "copied")}
"""The static glibc's heap is laid otherwise: 20,000 rounds end without a fault; and it has one namespace."""
COMMANDS = [(program, way) for program in PROGRAMS for way in WAYS if (program, way) not in SURVIVES]
INNER = ("python3", "/faults/inner.py")
EMULATED = ("segv", "abrt", "own", "twice", "overflow", "gone", "threads", "terminate", "handler")
GUESTS = [*((FAULTS, way) for way in EMULATED), ("/faults/stripped", "threads"), INNER]

ReadGuest = Callable[..., Crash]


@pytest.mark.parametrize("command", [*COMMANDS, INNER], ids=" ".join)
def test_both_backends_agree_frame_by_frame(command: tuple[str, str], read: Read) -> None:
    assert_same(*(read(*command, backend=backend) for backend in ("gdb", "elf")))


@pytest.mark.parametrize("part", [0.9, 0.5])
@pytest.mark.parametrize("way", ["sys", "copied", "getenv_race", "threads"])
def test_a_truncated_core_has_one_signature(
    way: str, part: float, core_of: Callable[..., Path], image: str, tmp_path: Path
) -> None:
    """gdb finds libraries by the loader's list, which lies in the part of memory that is lost first."""
    cut = tmp_path / "core"
    with plain_core(core_of(FAULTS, way)) as plain:
        whole = plain.read_bytes()
    cut.write_bytes(whole[: int(len(whole) * part)])
    requests = (AnalyzeRequest(core=str(cut), image=image, backends=(backend,)) for backend in ("gdb", "elf"))
    gdb, elf = map(analyze_core, requests)
    assert gdb.truncated
    assert gdb.signature == elf.signature


@pytest.fixture(scope="module")
def read_guest(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> ReadGuest:
    """Reads the core that qemu wrote of a command, with one backend; all die at the first use."""
    subprocess.run(command_line("build", "--cell", GUEST_CELL), check=True, capture_output=True)
    image, folder = build_guests(engine), tmp_path_factory.mktemp("guests")
    cores: dict[tuple[str, ...], Path] = dict(
        zip(GUESTS, die_emulated(engine, image, folder, GUESTS), strict=True)
    )

    def read_guest(command: tuple[str, ...], backend: str, program: Path | None = None) -> Crash:
        core = str(cores[command])
        return analyze_core(AnalyzeRequest(core=core, image=image, backends=(backend,), program=program))

    return read_guest


@pytest.mark.skipif(probe.emulation(HostPaths()).native, reason="arm64 is native here")
@pytest.mark.parametrize("command", GUESTS, ids=" ".join)
def test_both_backends_agree_on_a_guest(command: tuple[str, ...], read_guest: ReadGuest) -> None:
    gdb, elf = (read_guest(command, backend) for backend in ("gdb", "elf"))
    assert gdb.sources["native"] == "gdb", gdb.warnings
    assert gdb.arch == "arm64"
    assert gdb.command == command
    assert_same(gdb, elf)


@pytest.mark.skipif(probe.emulation(HostPaths()).native, reason="arm64 is native here")
@pytest.mark.parametrize(
    ("way", "code", "meaning"),
    [
        ("segv", "SEGV_MAPERR", "near NULL: 0x60 bytes"),
        ("overflow", "SEGV_ACCERR", "the stack overflowed"),
        ("gone", "SEGV_MAPERR", "where nothing is mapped"),
        ("own", None, None),
    ],
)
def test_a_guests_fault_is_worked_out(
    way: str, code: str | None, meaning: str | None, read_guest: ReadGuest
) -> None:
    crash = read_guest((FAULTS, way), "elf")
    assert (crash.signal.name, crash.signal.code) == ("SIGSEGV", code)
    assert (meaning or "") in (crash.signal.meaning or "")
    assert (crash.signal.meaning is None, crash.signal.fault_address is None) == (code is None,) * 2
    assert any(("worked out" if code else "not known") in said for said in crash.warnings)


@pytest.mark.skipif(probe.emulation(HostPaths()).native, reason="arm64 is native here")
@pytest.mark.parametrize("backend", ["gdb", "elf"])
@pytest.mark.parametrize("way", ["segv", "threads", "handler"])
def test_a_guest_is_read_the_same_where_its_program_is_given(
    way: str, backend: str, read_guest: ReadGuest, engine: Engine, tmp_path: Path
) -> None:
    """`analyze --exe`, which once lost the fault, the modules and the instructions of such a core."""
    program = tmp_path / "faults"
    with image_source(lambda: engine, build_guests(engine), LABELS) as source, program.open("wb") as stream:
        assert source.copy(PurePosixPath(FAULTS), stream)
    found, given = (read_guest((FAULTS, way), backend, file) for file in (None, program))
    assert given.sources["native"] == backend, given.warnings
    assert given.model_dump(exclude={"warnings"}) == found.model_dump(exclude={"warnings"})
    assert given.crash.disassembly
    assert (given.signal.name, given.signal.fault_address) == ("SIGSEGV", "0x60")
    assert {Path(module.path).name for module in given.modules} >= {"faults", "libc.so.6"}


def assert_same(gdb: Crash, elf: Crash) -> None:
    assert [thread.tid for thread in elf.threads] == [thread.tid for thread in gdb.threads]
    for ours, theirs in zip(elf.threads, gdb.threads, strict=True):
        agree(ours, theirs, tail_calls=gdb.arch == "x86_64")
    assert elf.signature == gdb.signature
    assert elf.signal == gdb.signal


@pytest.mark.parametrize("way", ["segv", "abrt", "threads", "handler"])
def test_what_elf_leaves_nothing_unsure_of_takes_no_debugger(way: str, read_best: Read) -> None:
    crash = read_best(FAULTS, way)
    assert (crash.sources["native"], crash.backends["gdb"]) == ("elf", None)


@pytest.mark.parametrize("way", ["wild", "overflow", "terminate"])
def test_what_elf_is_not_sure_of_is_read_by_gdb(way: str, read_best: Read) -> None:
    crash = read_best(FAULTS, way)
    assert (crash.sources["native"], crash.backends["elf"]) == ("gdb", None)


def agree(ours: Thread, theirs: Thread, *, tail_calls: bool) -> None:
    expected = [_told(frame) for frame in theirs.native]
    if tail_calls:
        assert [_told(frame) for frame in ours.native] == expected
    else:
        left = iter(expected)
        assert all(_told(frame) in left for frame in ours.native), (ours.native, theirs.native)
    assert not any(frame.scanned for frame in ours.native)
    for name, value in theirs.registers.items():
        assert name == "eflags" or ours.registers.get(name, value) == value


def _told(frame: NativeFrame) -> dict[str, object]:
    name = plain_name(frame.function) if frame.function else None
    return frame.model_dump(exclude={"nearest"}) | {"function": name}
