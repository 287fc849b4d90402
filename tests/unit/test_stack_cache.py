"""The stack cache: which names another core gets from it, and which it never does.

The backend `elf` stands in for gdb, on real cores of tiny.c.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.binary.core.corefile import Core, open_core, parse_core
from orchestrator.binary.core.unpack import plain_core
from orchestrator.crash.stacks.cache import StackCache
from orchestrator.crash.stacks.elf import backend as elf_backend
from orchestrator.crash.stacks.reading import Reading

CORES = Path(__file__).parents[1] / "data/cores"
IMAGE = "an image"


@contextmanager
def opened(name: str) -> Iterator[Core]:
    with plain_core(CORES / f"{name}.core.zst") as plain, open_core(plain) as core:
        yield core


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "faults").mkdir()
    shutil.copy(CORES / "tiny", tmp_path / "faults/tiny")
    return tmp_path


def store(
    core: Core, root: Path, change: Callable[[Reading], Reading] = lambda reading: reading
) -> StackCache:
    """The cache after gdb read this core and its reading was changed."""
    cache = StackCache()
    read = elf_backend.read_stacks(Path(), core, root)
    reading = replace(read, backend="gdb", version="13.1", unsure=())
    cache.store(core, root, IMAGE, change(reading), "trial 1 of a-cell")
    return cache


def damaged(core: Core, word: int) -> Core:
    """The same core with one word of its memory one higher."""
    raw = bytearray(core.data)
    place = raw.index(word.to_bytes(8, "little"), core.loads[0].offset)
    raw[place : place + 8] = (word + 1).to_bytes(8, "little")
    return parse_core(bytes(raw))


def test_the_same_stack_has_the_same_names_and_its_own_addresses(root: Path) -> None:
    with opened("tiny") as core:
        expected = elf_backend.read_stacks(Path(), core, root)
        reading = store(core, root).read(core, root, IMAGE)
    assert reading is not None
    assert [thread.frames for thread in reading.threads] == [thread.frames for thread in expected.threads]
    assert (reading.backend, reading.named_by) == ("elf", ("gdb", "13.1"))
    assert reading.named_from is not None
    assert "that gdb 13.1 gave trial 1 of a-cell, in the same image" in reading.named_from
    assert reading.warnings == ()


def test_the_registers_are_those_of_the_fault_and_near_it(root: Path) -> None:
    with opened("tiny") as core:
        (expected,) = elf_backend.read_stacks(Path(), core, root).threads
        reading = store(core, root).read(core, root, IMAGE)
    assert reading is not None
    (thread,) = reading.threads
    assert expected.registers
    for number, registers in expected.registers.items():
        assert registers.items() <= thread.registers[number].items()


def test_another_image_is_not_cached(root: Path) -> None:
    with opened("tiny") as core:
        assert store(core, root).read(core, root, "another image") is None


def test_one_other_return_address_is_another_stack(root: Path) -> None:
    with opened("tiny") as core:
        cache = store(core, root)
        (thread,) = elf_backend.read_stacks(Path(), core, root).threads
        outer = next(frame.pc for frame in thread.frames if frame.function == "descend")
        assert cache.read(core, root, IMAGE) is not None
        assert cache.read(damaged(core, outer), root, IMAGE) is None


def test_a_reading_with_doubts_is_not_stored(root: Path) -> None:
    with opened("tiny") as core:
        cache = store(core, root, lambda reading: replace(reading, warnings=("gdb: may not match",)))
        assert cache.read(core, root, IMAGE) is None


def test_a_reading_that_is_not_sure_is_not_stored(root: Path) -> None:
    with opened("tiny") as core:
        cache = store(core, root, lambda reading: replace(reading, unsure=("a call may be missing",)))
        assert cache.read(core, root, IMAGE) is None


def test_a_core_with_a_file_loaded_twice_is_neither_stored_nor_looked_up(root: Path) -> None:
    with opened("tiny") as core:
        program = core.modules[0]
        copy = replace(program, base=program.base + (1 << 32))
        twice = replace(core, given_modules=(*core.modules, copy))
        assert store(core, root).read(core, root, IMAGE) is not None
        assert store(core, root).read(twice, root, IMAGE) is None
        assert store(twice, root).read(core, root, IMAGE) is None


@pytest.mark.parametrize("left_out", [0, 3, -1])
def test_a_debugger_that_saw_another_stack_is_not_stored(left_out: int, root: Path) -> None:
    def shortened(reading: Reading) -> Reading:
        (thread,) = reading.threads
        frames = list(thread.frames)
        del frames[left_out]
        # A debugger may leave out what called main; nothing else.
        return replace(reading, threads=(replace(thread, frames=tuple(frames)),))

    with opened("tiny") as core:
        cache = store(core, root, shortened)
        assert (cache.read(core, root, IMAGE) is None) is (left_out != -1)


def test_what_is_not_unwound_by_call_frames_alone_is_not_cached(root: Path) -> None:
    with opened("jump") as core:
        assert store(core, root).read(core, root, IMAGE) is None


def test_a_stack_that_could_not_be_unwound_is_not_cached(tmp_path: Path) -> None:
    with opened("tiny") as core:
        cache = store(core, tmp_path, lambda reading: replace(reading, warnings=()))
        assert cache.read(core, tmp_path, IMAGE) is None
