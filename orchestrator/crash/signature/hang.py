"""The signature of a hang: where the main thread waits, and what asked for that."""

from collections.abc import Sequence
from itertools import dropwhile, takewhile

from orchestrator.crash.signature.frames import TELLING, is_glibc, is_interpreter, sure_frames, telling
from orchestrator.crash.signature.functions import DRIVING, GIL, GONE, PRIMITIVES, PYTHON_LOCK
from orchestrator.crash.signature.names import normalise, public_name
from orchestrator.model import NativeFrame, Thread


def sign_hang(threads: Sequence[Thread], main: int | None) -> tuple[str, str]:
    """The signature of a hang, and how it was made; `main` is the main thread's id.

    The functions by which CPython waits differ between versions; that it waits, and for what, does not.
    """
    thread = next((item for item in threads if item.tid == main), None)
    thread = thread or next((item for item in threads if item.crashed), None)
    frames = sure_frames(thread.native) if thread else []
    inside, outside = split_wait(frames, called=bool(thread and thread.waits and thread.waits.call))
    if outside and is_interpreter(outside[0]):
        names = [f"python:{_kind(outside)}", *telling(list(dropwhile(is_interpreter, outside)))]
    else:
        asked = [public_name(inside[-1].function)] if inside and inside[-1].function else []
        names = [*asked, *telling(outside)]
    chosen = names[:TELLING]
    how = f"where the main thread is: {len(chosen)} telling of {len(frames)} frames"
    return f"hang {' > '.join(chosen) or '?'}", how


def split_wait(frames: Sequence[NativeFrame], *, called: bool) -> tuple[list[NativeFrame], list[NativeFrame]]:
    """A stack's frames in the C library, and those from the function that waits outwards.

    A thread that has `called` the kernel is in the C library, also where that is part of the program.
    """
    inside = list(takewhile(_serves, frames)) or list(frames[: int(called)])
    outside = dropwhile(lambda frame: normalise(frame.function or "") in PRIMITIVES, frames[len(inside) :])
    return inside, list(outside)


def _kind(outside: Sequence[NativeFrame]) -> str:
    """The interpreter's function that waits, by one name for all that do it."""
    names = [normalise(frame.function) for frame in outside[:2] if frame.function]
    alike = ((GONE, "PyThread_hang_thread"), (GIL, "take_gil"), (PYTHON_LOCK, "PyThread_acquire_lock"))
    known = (name for group, name in alike if group & set(names))
    return next(known, names[0] if names else "?")


def _serves(frame: NativeFrame) -> bool:
    """Whether a frame is in the C library on behalf of other code."""
    return is_glibc(frame) and frame.function not in DRIVING
