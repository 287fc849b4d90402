"""The number of parallel cells: no more than fit into the machine's memory, each at its limit.

Beyond it the kernel kills processes before they meet their own limit, and a verdict would be the machine's.
"""

from collections.abc import Callable, Iterable

from orchestrator.model import PlannedCell
from orchestrator.model.memory import DEFAULT_MEMORY, memory_words


def jobs_in_memory(asked: int, cells: Iterable[PlannedCell], memory: int, say: Callable[[str], None]) -> int:
    """The number of cells at once, at least one; says why where it is less than `asked`.

    `memory`: bytes that the engine's machine has; 0, where it does not say, restricts nothing.
    """
    return jobs_for(asked, max((item.memory for item in cells), default=DEFAULT_MEMORY), memory, say)


def jobs_for(asked: int, limit: int, memory: int, say: Callable[[str], None]) -> int:
    """The number of cells at once of which each may take `limit` bytes; says why it is less than `asked`."""
    jobs = max(1, min(asked, memory // limit)) if memory else asked
    has = f"a cell may take {memory_words(limit)}, and the machine has {memory_words(memory)}"
    if memory and limit > memory:
        say(f"{has}: the kernel may end a process before it reaches its limit; lower `memory:`.")
    elif jobs < asked:
        say(f"Cells run {jobs} at a time, not {asked}: {has}.")
    return jobs
