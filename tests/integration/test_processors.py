"""Cores as another processor writes them: each thread's XSAVE area has another size, nothing else differs."""

import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.binary.core.unpack import plain_core
from orchestrator.model import Crash
from orchestrator.names import BACKENDS
from orchestrator.pipeline.analyze import AnalyzeRequest, analyze_core
from tests.integration.dying import FAULTS

PT_NOTE, NT_X86_XSTATE = 4, 0x202
COMMANDS = [(FAULTS, "threads"), ("python3", "/faults/inner.py")]


def notes_in(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Type, name with its padding, and description of each note (elf(5))."""
    at = 0
    while at < len(data):
        name, size, kind = struct.unpack_from("<III", data, at)
        start = at + 12 + padded(name)
        yield kind, data[at + 12 : start], data[start : start + size]
        at = start + padded(size)


def padded(size: int, to: int = 4) -> int:
    return (size + to - 1) // to * to


def with_xsave_areas(core: bytes, factor: float) -> bytes:
    """The core with XSAVE areas of `factor` times their size; its notes move to the end of the file."""
    (headers,), (entry, count) = struct.unpack_from("<Q", core, 32), struct.unpack_from("<HH", core, 54)
    rows = range(headers, headers + count * entry, entry)
    row = next(at for at in rows if struct.unpack_from("<I", core, at)[0] == PT_NOTE)
    offset, length = (struct.unpack_from("<Q", core, row + place)[0] for place in (8, 32))
    notes, altered = b"", 0
    for kind, name, description in notes_in(core[offset : offset + length]):
        size = int(len(description) * factor) if kind == NT_X86_XSTATE else len(description)
        altered += kind == NT_X86_XSTATE
        notes += struct.pack("<III", len(name.rstrip(b"\0")) + 1, size, kind) + name
        notes += description[:size].ljust(padded(size), b"\0")
    assert altered
    whole = bytearray(core.ljust(padded(len(core), 4096), b"\0"))
    struct.pack_into("<Q", whole, row + 8, len(whole))
    struct.pack_into("<Q", whole, row + 32, len(notes))
    return bytes(whole) + notes


@pytest.mark.parametrize("factor", [4, 0.5])
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("backends", [BACKENDS, ("gdb", "pystack"), ("elf", "pystack")])
def test_a_core_of_another_processor_is_read_the_same(
    core_of: Callable[..., Path], image: str, tmp_path: Path, *,
    backends: tuple[str, ...], command: tuple[str, ...], factor: float,
) -> None:  # fmt: skip
    def read(path: Path) -> Crash:
        shutil.rmtree(tmp_path / "stacks", ignore_errors=True)  # conftest.py: names of the other core
        return analyze_core(AnalyzeRequest(core=str(path), image=image, backends=backends))

    with plain_core(core_of(*command)) as plain:
        (tmp_path / "core").write_bytes(with_xsave_areas(plain.read_bytes(), factor))
        assert read(tmp_path / "core") == read(plain)
