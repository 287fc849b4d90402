"""Cores that qemu-user wrote of arm64 guests: tests/data/cores/handler.c under qemu 7.2, on glibc 2.36."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import FrozenInstanceError
from pathlib import Path, PurePosixPath

import pytest

from orchestrator.binary.core.corefile import Core, open_core
from orchestrator.binary.core.unpack import plain_core
from orchestrator.cores.linkmap import find_modules
from orchestrator.crash.fault.arm64 import worked_out
from orchestrator.crash.fault.siginfo import handled_fault
from orchestrator.crash.memory import ProcessMemory
from orchestrator.crash.stacks.elf.backend import read_stacks
from orchestrator.crash.stacks.gdb import backend as gdb_backend
from orchestrator.crash.stacks.gdb.run import GdbAnswer
from orchestrator.errors import ToolError

CORES = Path(__file__).parents[1] / "data/cores"
PROGRAM = PurePosixPath("/g/guest")
BUILD_ID = "9a6a98bc624615a1125350d66fb710efc07a1a96"
FRAME = 0x150
"""From the innermost stack pointer, in abort(), to the signal frame."""


@contextmanager
def guest(name: str, root: Path) -> Iterator[Core]:
    """A core that has found its modules, with the program alone in the sysroot `root`."""
    file = root / PROGRAM.relative_to("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes((CORES / "guest").read_bytes())
    with plain_core(CORES / f"guest-{name}.core.zst") as plain, open_core(plain) as core:
        yield core.with_modules(find_modules(core, lambda path: file if path == PROGRAM else None).modules)


def test_the_loaders_list_names_the_modules_of_a_core_without_one() -> None:
    asked: list[str] = []

    def bring(path: PurePosixPath) -> Path:
        asked.append(str(path))
        return CORES / "guest"  # the libraries' own layout does not matter here

    with plain_core(CORES / "guest-plain.core.zst") as plain, open_core(plain) as core:
        assert core.files == ()
        modules = {module.path: module for module in find_modules(core, bring).modules}
        assert list(modules) == [
            "/g/guest", "/lib/aarch64-linux-gnu/libc.so.6", "/lib/aarch64-linux-gnu/libpthread.so.0",
            "/lib/ld-linux-aarch64.so.1",
        ]  # fmt: skip
        assert asked == list(modules)
        program = modules["/g/guest"]
        assert core.entry is not None
        assert core.loaded_at is not None
        # The stand-in is linked to begin where the program, which is not relocated, lies.
        assert modules["/lib/ld-linux-aarch64.so.1"].base == core.loaded_at + program.base
        assert program.base <= core.entry < program.end
        assert all(module.build_id is None for module in modules.values())


def test_without_the_programs_file_no_module_is_made_up() -> None:
    with plain_core(CORES / "guest-plain.core.zst") as plain, open_core(plain) as core:
        assert find_modules(core, lambda _: None) == ((), ())


def test_a_library_found_by_origin_has_the_name_that_its_folder_has(tmp_path: Path) -> None:
    """As libpython, where the program's rpath is $ORIGIN/../lib; what cannot be had is named too."""
    loaded, real = b"/lib/a/../aarch64-linux-gnu/c.so", "/lib/aarch64-linux-gnu/c.so"
    with plain_core(CORES / "guest-plain.core.zst") as plain:
        content = plain.read_bytes()
    assert b"/lib/aarch64-linux-gnu/libc.so.6" in content
    (tmp_path / "core").write_bytes(content.replace(b"/lib/aarch64-linux-gnu/libc.so.6", loaded))
    with open_core(tmp_path / "core") as core:
        had = {PROGRAM, PurePosixPath(real)}
        listed = find_modules(core, lambda path: CORES / "guest" if path in had else None)
    assert [module.path for module in listed.modules] == [str(PROGRAM), real]
    assert listed.absent == ("/lib/aarch64-linux-gnu/libpthread.so.0", "/lib/ld-linux-aarch64.so.1")


def test_modules_that_are_given_make_another_core_whatever_was_asked_before() -> None:
    """Once `analyze --exe` asked for the executable first, and the empty answer stayed."""
    with plain_core(CORES / "guest-plain.core.zst") as plain, open_core(plain) as core:
        assert (core.executable, core.modules, core.files) == (None, (), ())
        listed = find_modules(core, lambda path: CORES / "guest" if path == PROGRAM else None)
        found = core.with_modules(listed.modules)
        assert core.entry is not None
        assert found.executable == found.module_at(core.entry) == found.modules[0] == listed.modules[0]
        assert [item.path for item in found.files] == [str(PROGRAM)]
        assert not found.lists_files
        assert (core.executable, core.modules, core.files) == (None, (), ())
        with pytest.raises(FrozenInstanceError):
            core.damage = ("changed",)  # type: ignore[misc]


def test_a_guests_signal_is_in_its_threads_note(tmp_path: Path) -> None:
    with guest("plain", tmp_path) as core:
        assert core.siginfo is None
        assert [thread.signal for thread in core.threads] == [6, 0]


def test_a_siginfo_that_qemu_laid_is_read(tmp_path: Path) -> None:
    with guest("siginfo", tmp_path) as core:
        fault = handled_fault(core, core.threads[0].sp + FRAME)
        assert fault is not None
        assert (fault.name, fault.code, fault.address, fault.derived) == (
            "SIGSEGV",
            "SEGV_MAPERR",
            0x60,
            False,
        )


def test_without_a_siginfo_the_fault_is_worked_out_from_the_instruction(tmp_path: Path) -> None:
    with guest("plain", tmp_path) as core:
        stack = core.threads[0].sp + FRAME
        assert handled_fault(core, stack) is None
        fault = worked_out(ProcessMemory(core, tmp_path), stack)
        assert fault is not None
        assert (fault.name, fault.code, fault.address, fault.derived) == (
            "SIGSEGV",
            "SEGV_MAPERR",
            0x60,
            True,
        )


@pytest.mark.parametrize("off", [-16, 8, 1 << 20])
def test_what_is_no_signal_frame_tells_no_fault(tmp_path: Path, off: int) -> None:
    with guest("plain", tmp_path) as core:
        assert worked_out(ProcessMemory(core, tmp_path), core.threads[0].sp + FRAME + off) is None


def test_without_the_code_the_address_is_not_believed(tmp_path: Path) -> None:
    with guest("plain", tmp_path) as core:
        assert worked_out(ProcessMemory(core, tmp_path / "empty"), core.threads[0].sp + FRAME) is None


def test_a_debug_file_is_found_by_the_build_id_of_the_file_where_the_core_holds_none(tmp_path: Path) -> None:
    whole = (CORES / "guest").read_bytes()
    debug = tmp_path / f"usr/lib/debug/.build-id/{BUILD_ID[:2]}/{BUILD_ID[2:]}.debug"
    with guest("plain", tmp_path) as core:
        (tmp_path / "g/guest").write_bytes(_without_sections(whole))
        assert _functions(core, tmp_path).isdisjoint({"give_up", "_start"})
        debug.parent.mkdir(parents=True)
        debug.write_bytes(whole)
        assert _functions(core, tmp_path) >= {"give_up", "_start"}
        # Another file's debug file, under the right name, would mislead.
        debug.write_bytes(whole.replace(bytes.fromhex(BUILD_ID), bytes(20)))
        assert _functions(core, tmp_path).isdisjoint({"give_up", "_start"})


def _functions(core: Core, root: Path) -> set[str | None]:
    (crashed, *_) = read_stacks(CORES, core, root).threads
    return {frame.function for frame in crashed.frames}


def _without_sections(file: bytes) -> bytes:
    """An ELF file whose header knows of no sections, and so of no symbols: it is stripped of all names."""
    header = bytearray(file[:64])
    header[0x28:0x30] = bytes(8)  # e_shoff
    header[0x3C:0x40] = bytes(4)  # e_shnum, e_shstrndx
    return bytes(header) + file[64:]


def test_a_gdb_that_reads_the_hosts_cores_alone_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Debian's plain gdb takes an arm64 core for an x86-64 one, and makes a thread 1 of it."""
    answer = GdbAnswer(version="13.1", architecture="i386:x86-64", threads=())
    monkeypatch.setattr(gdb_backend, "read_with_gdb", lambda *_: answer)
    said = "this gdb reads an arm64 core as i386:x86-64; install gdb-multiarch"
    with plain_core(CORES / "guest-plain.core.zst") as plain, open_core(plain) as core:
        assert core.arch == "arm64"
        with pytest.raises(ToolError, match=said):
            gdb_backend.read_stacks(plain, core, CORES)
