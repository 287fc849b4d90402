"""What glibc's malloc found as it aborted, in plain words, by its message.

malloc checks its sizes and lists only where it uses them, most often long after they were damaged, so the
stack of the abort is that of the code that came upon it. The messages are those of malloc_printerr() in
malloc/malloc.c, malloc/hooks.c and malloc/malloc-check.c of glibc 2.17 to 2.43; each sentence says what the
check before it compares. 2.17 to 2.26 print the message between the program's name and the address.
"""

import re
import signal
from collections.abc import Iterable
from typing import Final

from orchestrator.crash.fault.overwritten import GIVES_BACK, OF_PYTHON, TAKES_MEMORY
from orchestrator.crash.fault.siginfo import Fault
from orchestrator.model.frame_names import plain_name

_OLD: Final = re.compile(r"\*\*\* Error in `.*': (?P<said>[^']*): 0x[0-9a-f]+ \*\*\*", re.DOTALL)
_ASSERTED: Final = re.compile(
    r"Fatal glibc error: malloc assertion failure in (?P<new>\w+): |"
    r"(?:.*: )?malloc\.c:\d+:? \(?(?P<old>\w+)\)?: (?:Assertion `|assertion failed: )"
)
"""malloc's own assertions; __malloc_assert() of 2.17 to 2.38, and assert() of later ones."""
_FUNCTIONS: Final = (TAKES_MEMORY | GIVES_BACK) - OF_PYTHON | {
    "malloc_printerr", "munmap_chunk", "mremap_chunk", "tcache_thread_shutdown", "tcache_get_n",
    "tcache_double_free_verify", "malloc_check", "free_check", "realloc_check", "memalign_check",
    "malloc_check_get_size", "top_check", "__malloc_assert", "__malloc_info", "int_mallinfo", "malloc_info",
    "mallinfo", "mallinfo2", "aligned_alloc", "posix_memalign", "valloc", "pvalloc", "malloc_usable_size",
    "malloc_trim", "reallocarray",
}  # fmt: skip
"""Where malloc aborts; of a libc without debug information only the exported functions have names."""

_FOUND_LATE: Final = "this stack only shows where malloc came upon it"
_TWICE: Final = "the block that is freed here is free already: it was freed twice"
_POINTER: Final = (
    "the pointer that is freed or resized here is to no block of malloc's: it is wrong, or other code "
    "overwrote the size before the block earlier"
)
_SIZE: Final = (
    "the size before the block is impossible: other code overwrote it earlier, or the pointer is to no block "
    "of malloc's"
)
_NEXT: Final = (
    "behind the block that is freed or resized there is no size that a block can have: other code wrote past "
    f"the end of a block earlier; {_FOUND_LATE}"
)
_FREE_SIZE: Final = (
    "the size of a free block contradicts its list or its neighbours: other code wrote past the end of a "
    f"block, or into a block that was freed, earlier; {_FOUND_LATE}"
)
_LINKS: Final = (
    "the links between free blocks are damaged: other code wrote into a block that was freed, wrote past the "
    f"end of the block before it, or freed one twice, earlier; {_FOUND_LATE}"
)
_TOP: Final = (
    "the size of the heap's unused rest is impossible: other code wrote past the end of the last block "
    f"earlier; {_FOUND_LATE}"
)

MEANINGS: Final = {
    "free(): double free detected in tcache 2": _TWICE,
    "double free or corruption (fasttop)": _TWICE,
    "double free or corruption (top)": (
        "the block that is freed here begins where the heap's unused rest does: it was freed twice"
    ),
    "double free or corruption (!prev)": (
        "the block behind the one that is freed here says that this one is free: it was freed twice, or "
        "other code overwrote the size of the block behind it earlier"
    ),
    "double free or corruption (out)": (
        "the block that is freed here ends past the end of the heap: it was freed twice, or other code "
        "overwrote its size earlier"
    ),
    **dict.fromkeys(
        ("free(): invalid pointer", "realloc(): invalid pointer", "munmap_chunk(): invalid pointer",
         "mremap_chunk(): invalid pointer"),
        _POINTER,
    ),
    **dict.fromkeys(("free(): invalid size", "realloc(): invalid old size"), _SIZE),
    **dict.fromkeys(
        ("free(): invalid next size (fast)", "free(): invalid next size (normal)",
         "realloc(): invalid next size"),
        _NEXT,
    ),
    **dict.fromkeys(
        ("corrupted size vs. prev_size", "corrupted size vs. prev_size in fastbins",
         "corrupted size vs. prev_size while consolidating", "invalid fastbin entry (free)",
         "malloc(): chunk size mismatch in fastbin", "malloc(): invalid next size (unsorted)",
         "malloc(): invalid next->prev_inuse (unsorted)", "malloc(): invalid size (unsorted)",
         "malloc(): memory corruption", "malloc(): memory corruption (fast)",
         "malloc(): mismatching next->prev_size (unsorted)", "malloc_consolidate(): invalid chunk size"),
        _FREE_SIZE,
    ),
    **dict.fromkeys(
        ("__malloc_info(): unaligned fastbin chunk detected", "corrupted double-linked list",
         "corrupted double-linked list (not small)",
         "do_check_malloc_state(): unaligned fastbin chunk detected",
         "free(): chunks in smallbin corrupted", "free(): corrupted unsorted chunks",
         "free(): too many chunks detected in tcache", "free(): unaligned chunk detected in tcache 2",
         "int_mallinfo(): unaligned fastbin chunk detected", "malloc(): corrupted unsorted chunks",
         "malloc(): corrupted unsorted chunks 2", "malloc(): corrupted unsorted chunks 3",
         "malloc(): largebin double linked list corrupted (bk)",
         "malloc(): largebin double linked list corrupted (nextsize)",
         "malloc(): smallbin double linked list corrupted", "malloc(): unaligned fastbin chunk detected",
         "malloc(): unaligned fastbin chunk detected 2", "malloc(): unaligned fastbin chunk detected 3",
         "malloc(): unaligned tcache chunk detected", "malloc(): unsorted double linked list corrupted",
         "malloc_consolidate(): unaligned fastbin chunk detected",
         "tcache_thread_shutdown(): unaligned tcache chunk detected"),
        _LINKS,
    ),
    **dict.fromkeys(("malloc(): corrupted top size", "malloc: top chunk is corrupt"), _TOP),
    "break adjusted to free malloc space": (
        "the end of the heap lies before where malloc left it: other code moved the program break back"
    ),
    "malloc_check_get_size: memory corruption": (
        "the guard byte that MALLOC_CHECK_ puts behind a block was overwritten: other code wrote past its "
        f"end earlier; {_FOUND_LATE}"
    ),
}  # fmt: skip
"""A message to its meaning. "max tcache size too large" (2.42) and 2.38's "_int_memalign(): unaligned chunk
detected" have none: they do not tell of a damaged heap."""


def explain_abort(fault: Fault, message: str | None, functions: Iterable[str | None]) -> str | None:
    """What glibc found; None for other signals, messages of others, and aborts that are not malloc's.

    `functions` are those of the innermost frames from the fault on, as far as they are in the C library.
    """
    if fault.number != signal.SIGABRT or message is None:
        return None
    if not any(plain_name(name) in _FUNCTIONS for name in functions if name):
        return None
    asserted = _ASSERTED.match(message)
    if asserted:
        return _asserted(asserted["new"] or asserted["old"])
    old = _OLD.fullmatch(message)
    return MEANINGS.get(old["said"] if old else message)


def _asserted(function: str) -> str:
    """What an assertion of malloc's own means; sysmalloc's are about the unused rest of the heap."""
    if function == "sysmalloc":
        return _TOP
    return f"sizes or lists of the heap contradict each other: other code damaged them earlier; {_FOUND_LATE}"
