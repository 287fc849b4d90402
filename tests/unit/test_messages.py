"""crash.messages: which of the exceptions in memory is the one being thrown."""

import struct
from pathlib import Path

import pytest

from orchestrator.crash.memory import ProcessMemory
from orchestrator.crash.process.abort_message import read_message
from orchestrator.crash.stacks.reading import Frame
from tests.unit.test_meaning import core_with

DATA, HEAP, STACK = 0x500000, 0x600000, 0x7FFF00000000
KIND, NAME = DATA, DATA + 0x40
OLD, NEW, LAST = HEAP + 0x100, HEAP + 0x300, HEAP + 0x500
"""Where the headers of exceptions lie, each with its class 80 bytes into it."""
CLASS = 80
OBJECT = CLASS + 32
THROWN = ("raise", "abort", "std::terminate()", "__cxa_throw", "later", "main")


def said(functions: tuple[str, ...], stacked: int, root: Path, *, held: int = 0) -> str | None:
    """The message where the stack has a word `stacked`, and a register `held`; NEW is a std::out_of_range."""
    heap = bytearray(0x1000)
    for place, kind in ((OLD, KIND), (NEW, KIND + 16), (LAST, KIND)):
        struct.pack_into("<Q", heap, place - HEAP, kind)
        struct.pack_into("<8s", heap, place - HEAP + CLASS, b"\0++CCUNG")
        struct.pack_into("<QQ", heap, place - HEAP + OBJECT, 0, HEAP + (0x20 if place == NEW else 0x10))
    heap[0x10:0x30] = b"long ago".ljust(16, b"\0") + b"the reason".ljust(16, b"\0")
    types = struct.pack("<4Q", 0, NAME, 0, NAME + 0x20).ljust(0x40, b"\0")
    types += b"St13runtime_error".ljust(0x20, b"\0") + b"St12out_of_range".ljust(0x20, b"\0")
    stack = struct.pack(
        "<16Q", *(stacked if number == 7 else OLD if number == 15 else 1 for number in range(16))
    )
    core = core_with((DATA, 0x1000, 6, types), (HEAP, 0x1000, 6, bytes(heap)), (STACK, 0x1000, 6, stack))
    frames = [
        Frame(pc=0x400000, sp=STACK + 16 * number, function=name) for number, name in enumerate(functions)
    ]
    return read_message(ProcessMemory(core, root), frames, {"rbx": held})


@pytest.mark.parametrize("into", [0, CLASS, OBJECT])
def test_the_exception_is_the_one_that_the_throwing_code_has(into: int, tmp_path: Path) -> None:
    expected = "uncaught exception std::out_of_range: the reason"
    assert said(THROWN, NEW + into, tmp_path) == expected
    assert said(THROWN, 0, tmp_path, held=NEW + into) == expected


def test_a_throw_is_known_by_its_name_in_debug_information(tmp_path: Path) -> None:
    name = "__cxxabiv1::__cxa_throw(void*, std::type_info*, void (*)(void*))"
    functions = tuple(name if function == "__cxa_throw" else function for function in THROWN)
    assert said(functions, NEW, tmp_path) == "uncaught exception std::out_of_range: the reason"


@pytest.mark.parametrize("functions", [("terminate_worker", "main"), ("abort", "std::terminate()", "main")])
def test_where_nothing_is_thrown_an_old_exception_is_not_told(
    functions: tuple[str, ...], tmp_path: Path
) -> None:
    assert said(functions, NEW, tmp_path, held=OLD) is None


@pytest.mark.parametrize(("stacked", "held"), [(0, 0), (NEW, LAST)])
def test_where_none_or_several_can_be_thrown_nothing_is_said(stacked: int, held: int, tmp_path: Path) -> None:
    assert said(THROWN, stacked, tmp_path, held=held) is None
