"""Runs inside gdb: writes what gdb makes of a loaded core as JSON, and decides nothing.

gdb brings its own Python, so this uses the standard library and the `gdb` module only. The file to
write and the limits come through the environment. Addresses are integers.
"""

import json
import os
from pathlib import Path
from typing import Any

import gdb

REGISTERS = (
    "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
    "r15", "rip", "eflags", "fs_base", "gs_base", *(f"x{number}" for number in range(31)), "sp", "pc", "cpsr",
)  # fmt: skip
NARROW = (
    "eax", "ebx", "ecx", "edx", "esi", "edi", "ebp", "esp", "eip", "eflags", "sp", "lr", "pc", "cpsr",
    *(f"r{number}" for number in range(13)),
)  # fmt: skip
"""Those of 32-bit processes; x86-64 has parts of registers by the first names, and others by the last."""
ALIASES = {"rip": ("sp", "pc"), "eip": ("sp", "pc")}
"""On x86 gdb offers sp and pc as other names of rsp and rip, or esp and eip."""


def address_of(value: "gdb.Value") -> int:
    """An address or a register as an unsigned number."""
    return int(value) & (1 << 64) - 1


def read_register(frame: "gdb.Frame", name: str) -> "int | None":
    """A register's value; None where this architecture or this frame does not have it."""
    try:
        value = frame.read_register(name)
        return None if value.is_optimized_out else address_of(value)
    except (gdb.error, ValueError):
        return None


def read_registers(frame: "gdb.Frame") -> "dict[str, int]":
    """All general registers of a frame, as gdb restores them."""
    read = {name: value for name in REGISTERS if (value := read_register(frame, name)) is not None}
    if "rip" not in read and "x0" not in read:
        narrow = ((name, read_register(frame, name)) for name in NARROW)
        read = {name: value & (1 << 32) - 1 for name, value in narrow if value is not None}
    hidden = ALIASES["rip"] if "rip" in read else ALIASES["eip"] if "eip" in read else ()
    return {name: value for name, value in read.items() if name not in hidden}


def function_start(frame: "gdb.Frame") -> "int | None":
    """Where the frame's function is entered; None without debug information of it.

    Not the start of its block: that is the lowest address, and a function's cold part may lie below. A
    function that was inlined is nowhere entered.
    """
    function = frame.function()
    if function is None or frame.type() == gdb.INLINE_FRAME:
        return None
    return address_of(function.value().address)


def describe(frame: "gdb.Frame") -> "dict[str, Any]":
    """One frame."""
    place = frame.find_sal()
    known = frame.function() is not None
    return {
        "pc": address_of(frame.pc()),
        "sp": read_register(frame, "sp"),
        "function": frame.name(),
        "start": function_start(frame),
        "debug": known,
        "file": place.symtab.filename if place.symtab else None,
        "line": place.line or None,
        "trampoline": frame.type() == gdb.SIGTRAMP_FRAME,
        "inline": frame.type() == gdb.INLINE_FRAME,
        "tail_call": frame.type() == gdb.TAILCALL_FRAME,
    }


NEAR = 4
"""Frames from a possible fault outwards whose registers are wanted: a walk may be in a caller."""


def walk(crashed: bool, limit: int) -> "dict[str, Any]":
    """The frames of the selected thread; of the crashed one also the registers at possible faults."""
    frames: list[dict[str, Any]] = []
    registers: dict[int, dict[str, int]] = {}
    stopped = None
    frame = gdb.newest_frame()
    wanted = NEAR if crashed else 0
    try:
        while frame is not None and len(frames) < limit:
            described = describe(frame)
            if wanted > 0:
                registers[len(frames)] = read_registers(frame)
            wanted = NEAR if crashed and described["trampoline"] else wanted - 1
            frames.append(described)
            reason = frame.unwind_stop_reason()
            if reason > gdb.FRAME_UNWIND_OUTERMOST:
                stopped = gdb.frame_stop_reason_string(reason)
            frame = frame.older()
    except (gdb.error, RuntimeError) as error:
        stopped = str(error)
    return {
        "frames": frames, "registers": registers, "stopped": stopped,
        "more": frame is not None and stopped is None,
    }  # fmt: skip


def main() -> None:
    """Walk every thread, the crashed one first: the core's first, which gdb has selected.

    Writes nothing where gdb refused the core; its stderr says why.
    """
    limit = int(os.environ["CRASHMATRIX_FRAMES"])
    crashed = gdb.selected_thread()
    if crashed is None:
        return
    others = sorted(gdb.selected_inferior().threads(), key=lambda thread: thread.num)
    threads = []
    for thread in [crashed, *(item for item in others if item.num != crashed.num)]:
        thread.switch()
        first = thread.num == crashed.num
        threads.append({"tid": thread.ptid[1] or thread.ptid[0], "crashed": first, **walk(first, limit)})
    read_as = gdb.selected_inferior().architecture().name()
    answer = {"version": gdb.VERSION, "architecture": read_as, "threads": threads}
    Path(os.environ["CRASHMATRIX_OUT"]).write_text(json.dumps(answer))


main()
