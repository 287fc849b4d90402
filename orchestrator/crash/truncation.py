"""Truncated cores: how much of the memory is missing, and which threads' stacks."""

from typing import Final

from orchestrator.binary.core.corefile import Core
from orchestrator.binary.core.notes import ThreadState

_KIB: Final = 1 << 10


def describe_truncation(core: Core) -> str | None:
    """What a truncated core lacks, in words; None for a complete core.

    A core stores memory in the order of addresses, so the missing part is the end: libraries and stacks.
    """
    if not core.truncated:
        return None
    lost = sum(load.stored - core.held(load) for load in core.loads)
    stored = sum(load.stored for load in core.loads)
    if not core.threads:
        return "the core is truncated: its notes are incomplete, so no thread could be read"
    amount = f"{-(-lost // _KIB):,} of {stored // _KIB:,} KiB of its memory are missing"
    return f"the core is truncated: {amount}, {_stacks(core)}"


def _stacks(core: Core) -> str:
    gone = [number for number, thread in enumerate(core.threads) if not _is_whole(core, thread)]
    if not gone:
        return "but no thread's stack: frames are whole, variables and messages may be lost"
    whose = "the crashed one's among them" if gone[0] == 0 else "not the crashed one's"
    return f"with the stacks of {len(gone)} of {len(core.threads)} threads, {whose}: their frames end early"


def _is_whole(core: Core, thread: ThreadState) -> bool:
    """Whether the core holds a thread's stack mapping to its end, where the outermost frames are."""
    segment = core.segment_at(thread.sp)
    return segment is not None and core.held(segment) == segment.stored
