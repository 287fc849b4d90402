"""Cores of 32-bit processes (tests/data/cores/narrow.c): the kernel's of i386, and qemu's of arm."""

import shutil
import struct
from pathlib import Path

import pytest

from orchestrator.adapters import process
from orchestrator.binary.core.corefile import open_core
from orchestrator.binary.core.unpack import plain_core
from orchestrator.errors import CoreError
from orchestrator.model import Crash
from orchestrator.pipeline.analyze import AnalyzeRequest, analyze_core

DATA = Path(__file__).parents[1] / "data" / "cores"
GDB = pytest.mark.skipif(process.find("gdb-multiarch") is None, reason="without gdb-multiarch")


def read(root: Path, name: str, *backends: str) -> Crash:
    place = {"narrow": "faults/narrow", "narrow-arm": "program"}[name]
    (root / place).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(DATA / name, root / place)
    core, program = str(DATA / f"{name}.core.zst"), DATA / name if name == "narrow-arm" else None
    return analyze_core(AnalyzeRequest(core=core, sysroot=root, backends=backends, program=program))


@pytest.mark.parametrize(("name", "arch"), [("narrow", "i386"), ("narrow-arm", "arm")])
def test_signal_place_module_and_threads_are_read_without_any_debugger(
    name: str, arch: str, tmp_path: Path
) -> None:
    crash = read(tmp_path, name, "elf")
    assert (crash.arch, crash.signal.name) == (arch, "SIGSEGV")
    assert crash.crash.module
    assert Path(crash.crash.module).name in (name, "program")
    (thread,) = crash.threads
    assert len(thread.native) == 1
    assert any(f"stacks of {arch} are not unwound here" in line for line in crash.limits)
    if arch == "i386":
        assert (crash.signal.code, crash.signal.fault_address) == ("SEGV_MAPERR", "0x60")
        assert crash.signal.meaning == "near NULL: 0x60 bytes from a NULL pointer"
        assert (crash.process, crash.command) == ("narrow", ("/faults/narrow",))
        assert crash.modules[0].build_id


@GDB
@pytest.mark.parametrize("name", ["narrow", "narrow-arm"])
def test_gdb_reads_the_whole_stack(name: str, tmp_path: Path) -> None:
    crash = read(tmp_path, name, "gdb", "elf")
    assert crash.crashed_thread
    assert [frame.function for frame in crash.crashed_thread.native] == [
        "touch", "descend", "descend", "descend", "_start",
    ]  # fmt: skip
    assert crash.signature == "SIGSEGV touch > descend"
    registers = {name: int(value, 16) for name, value in crash.crashed_thread.registers.items()}
    assert all(value < 1 << 32 for value in registers.values())
    assert hex(registers["eip" if name == "narrow" else "pc"]) == crash.crash.pc


def test_a_core_whose_class_is_not_its_machines_is_refused(tmp_path: Path) -> None:
    with plain_core(DATA / "narrow.core.zst") as plain:
        raw = bytearray(plain.read_bytes())
    struct.pack_into("<H", raw, 18, 62)
    (tmp_path / "core").write_bytes(raw)
    with pytest.raises(CoreError, match="cannot be read"), open_core(tmp_path / "core"):
        pass
