"""The better of several readings of a core, thread by thread.

No backend is the best everywhere. gdb follows code that only .debug_frame describes, and guesses on in
silence where nothing does; `elf` finds the frame of a signal behind such code, and reads a truncated core
further. So the stack counts whose frames are named and sure for longer.
"""

from collections.abc import Sequence
from typing import Final

from orchestrator.crash.memory import ProcessMemory
from orchestrator.crash.stacks.certainty import count_certain, count_named
from orchestrator.crash.stacks.reading import Reading, ThreadReading
from orchestrator.crash.stacks.unwind_tables import UnwindTables

NAMED: Final = 6
"""Threads that a warning names."""


def is_sure(memory: ProcessMemory, reading: Reading) -> bool:
    """Whether no frame of a reading was guessed, and no stack ended early."""
    tables = UnwindTables(memory)
    return not reading.guesses and all(
        not thread.doubts and count_certain(tables, thread.frames) == len(thread.frames)
        for thread in reading.threads
    )


def better_of(memory: ProcessMemory, first: Reading, second: Reading) -> Reading:
    """A reading that has each thread as the better of two has it; `first` where they are equal."""
    tables = UnwindTables(memory)
    firsts = {thread.tid: thread for thread in first.threads}
    seconds = {thread.tid: thread for thread in second.threads}
    better = {
        tid for tid, thread in seconds.items() if tid not in firsts or _is_better(tables, thread, firsts[tid])
    }
    if not better or better.issuperset(firsts):
        return second if better else first
    crashed = {thread.tid for thread in first.threads if thread.crashed}
    threads = [seconds[tid] if tid in better else firsts[tid] for tid in firsts | seconds]
    if crashed <= better:
        return _mixed(second, first, threads, sorted(firsts.keys() - better))
    return _mixed(first, second, threads, sorted(better))


def _is_better(tables: UnwindTables, one: ThreadReading, other: ThreadReading) -> bool:
    doubtful = other.doubts or count_certain(tables, other.frames) < len(other.frames)
    return bool(doubtful) and count_named(tables, one.frames) > count_named(tables, other.frames)


def _mixed(
    leading: Reading, other: Reading, threads: Sequence[ThreadReading], by_other: Sequence[int]
) -> Reading:
    """`threads` of two readings: `leading` has the crashed one, `other` those `by_other`."""
    named = ", ".join(map(str, by_other[:NAMED])) + (" and more" if len(by_other) > NAMED else "")
    which = f"the stacks of threads {named} are" if len(by_other) > 1 else f"the stack of thread {named} is"
    said = f"{which} from {other.backend}, which has more frames there that are named and no guess"
    return Reading(
        backend=leading.backend,
        version=leading.version,
        threads=tuple(threads),
        warnings=(
            *dict.fromkeys((*_general(leading), *_general(other))), said,
            *(line for thread in threads for line in thread.doubts),
        ),
        unsure=(*leading.unsure, *other.unsure),
        by_program=leading.by_program or other.by_program,
        others=((other.backend, other.version),),
    )  # fmt: skip


def _general(reading: Reading) -> list[str]:
    """A reading's warnings that are not about one thread."""
    about = {line for thread in reading.threads for line in thread.doubts}
    return [line for line in reading.warnings if line not in about]
