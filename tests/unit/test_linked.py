"""crash.stacks.linked: stacks without what only debug information knows, on the real core of bare.c."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.binary.core.corefile import open_core
from orchestrator.binary.core.unpack import plain_core
from orchestrator.crash.memory import ProcessMemory
from orchestrator.crash.reader import interpret
from orchestrator.crash.stacks.elf import backend as elf_backend
from orchestrator.crash.stacks.linked import linked_frames
from orchestrator.model import Sysroot

DATA = Path(__file__).parents[1] / "data/cores"


@pytest.mark.parametrize("written", ["p::{impl#0}::touch", "(anonymous namespace)::touch(int)"])
def test_a_signature_has_the_linkers_names_and_no_call_without_a_frame(written: str, tmp_path: Path) -> None:
    (tmp_path / "faults").mkdir()
    shutil.copy(DATA / "bare", tmp_path / "faults/bare")
    with plain_core(DATA / "bare.core.zst") as plain, open_core(plain) as core:
        reading = elf_backend.read_stacks(plain, core, tmp_path)
        (thread,) = reading.threads
        place = next(number for number, frame in enumerate(thread.frames) if frame.function == "touch")
        touch, work = thread.frames[place : place + 2]
        inlined = replace(touch, function="p::inlined", inline=True)
        passed = replace(work, function="p::passed", tail_call=True, sp=None)
        frames = (*thread.frames[:place], inlined, replace(touch, function=written), passed, work)
        frames += thread.frames[place + 2 :]
        linked = linked_frames(ProcessMemory(core, tmp_path), frames[place:])
        assert [(item.number, item.function) for item in linked[:2]] == [(1, "touch"), (3, None)]
        held = {**thread.registers, place + 1: thread.registers[place]}
        told = replace(reading, threads=(replace(thread, frames=frames, registers=held),))
        crash = interpret(core, Sysroot(path=str(tmp_path)), told)
    assert crash.signature == "SIGSEGV touch > work > start"
    assert crash.crash.function == "p::inlined"
    assert [frame.function for frame in crash.threads[0].native[place : place + 4]] == [
        "p::inlined", written, "p::passed", "work",
    ]  # fmt: skip


def test_a_wild_pc_and_one_of_no_symbol_keep_their_names(tmp_path: Path) -> None:
    with plain_core(DATA / "bare.core.zst") as plain, open_core(plain) as core:
        (thread,) = elf_backend.read_stacks(plain, core, tmp_path).threads
        wild = replace(thread.frames[0], pc=8, function="a::b")
        assert linked_frames(ProcessMemory(core, tmp_path), [wild])[0].function is None
