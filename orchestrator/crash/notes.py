"""Notes about threads: a note that holds for several threads is given once."""

import re
from collections.abc import Iterable
from typing import Final

# Threads that a note names; the others it counts.
NAMED: Final = 3
_OF_THREAD: Final = re.compile(r"thread (\d+): (.*)", re.DOTALL)
# What differs between threads in notes that are alike: numbers, of frames and of addresses.
_NUMBER: Final = re.compile(r"0x[0-9a-f]+|\d+")


def folded(notes: Iterable[str]) -> list[str]:
    """Notes in their order, each kind of them about threads once, with the first thread's numbers."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for note in notes:
        match = _OF_THREAD.fullmatch(note)
        kind, said = (_NUMBER.sub("0", match[2]), (match[1], match[2])) if match else (note, ("", note))
        if said not in groups.setdefault(kind, []):
            groups[kind].append(said)
    return [_one(group) for group in groups.values()]


def _one(group: list[tuple[str, str]]) -> str:
    thread, text = group[0]
    if not thread:
        return text
    if len(group) == 1:
        return f"thread {thread}: {text}"
    more = f" and {len(group) - NAMED} more" if len(group) > NAMED else ""
    of_first = "" if len({said for _, said in group}) == 1 else f" (the numbers are those of thread {thread})"
    return f"threads {', '.join(tid for tid, _ in group[:NAMED])}{more}: {text}{of_first}"
