"""The signature of a crash: the original signal, and the first frames that tell.

A signature must be the same for the same fault on every glibc and Python and by every backend, and another
one for another fault. So:

- It starts at the original fault: a handler that aborted, and all above its trampoline, is not in it.
- Frames that every abort, exception or panic has are skipped, by exact name only: a prefix rule
  would swallow a user's own function. Of a panic of Rust all functions of Rust's own crates are skipped.
- It ends at the interpreter. Which of CPython's functions lie between two frames of other code
  differs from version to version (`atexit_callfuncs`, `_PyEval_Vector`), and so they do not tell.
  The modules of its standard library are part of it: some builds have no symbols of them.
  Where the fault itself, or the call to die, lies in the interpreter, the function by which that was
  entered stands for all of them: it is API, and stays. Where Python code lies between, or nothing tells
  what entered, its innermost function does, or the one that called Py_FatalError().
- It ends at a further trampoline: what lies below was interrupted at any moment.
- It ends at the first frame that was guessed: what lies on a stack is another thing in every run, and each
  backend guesses in its own way.
- Of a stack that overflowed it is the functions that call each other, wherever the stack ended. Of a
  recursion through other code and the interpreter the other code counts; of one within the interpreter its
  functions do, or where Python code calls itself, the one function in which that runs. A scan that finds the
  same return address again and again is no guess.
- Names lose what compilers and backends add (crash/signature/names.py).
- Inlined calls and tail calls are not in it, and functions have the linker's names (crash/stacks/linked.py),
  since without debug information no more is known.
- Of glibc's functions that call each other the one counts that was called from outside, by its public name:
  whether the others have names depends on whether glibc's debug file is installed.
- A string function of glibc loses the variant that was chosen for the CPU.
- A frame without a name counts by its module alone where the system brings that module (offsets
  differ from build to build), and with its offset where it is the user's own. Of a stripped program the
  build id and the offset count, since all of its code would have one name otherwise (`with_build`).
"""

from collections.abc import Sequence
from itertools import groupby, takewhile
from pathlib import PurePosixPath

from orchestrator.crash.signature.frames import (
    TELLING,
    dying,
    family_of,
    is_glibc,
    is_interpreter,
    is_panic,
    name_of,
    sure_frames,
    telling,
    without_rusts_own,
)
from orchestrator.crash.signature.functions import EVALUATION, FATAL
from orchestrator.crash.signature.names import normalise, public_name
from orchestrator.crash.signature.recursion import cycle_of
from orchestrator.model import NativeFrame
from orchestrator.model.frame_names import is_interpreter_file


def sign_crash(
    signal: str, frames: Sequence[NativeFrame], *, certain: int | None = None, overflowed: bool = False
) -> tuple[str, str]:
    """The signature of a crash, and how it was made; `frames` from the original fault outwards.

    `certain`: the number of frames that no guess led to (crash/stacks/certainty.py); all of them if None.
    `overflowed`: the stack did, so that the recursion tells, and not which function was at its end.
    """
    if overflowed and (recursion := _recursion(frames)):
        return f"{signal} {' > '.join(recursion[:TELLING])}", "the recursion that the stack overflowed by"
    own = sure_frames(frames[:certain])
    dead = len(dying(own))
    inside = list(takewhile(is_interpreter, own[dead:]))
    between = any(normalise(frame.function or "") == EVALUATION for frame in inside)
    outer = own[dead + len(inside) :]
    if is_panic(own[:dead]):
        outer = without_rusts_own(outer) or outer
    outside = [] if between else list(telling(_entered(outer)))
    entered = inside[-1:] if outside else _after_fatal(inside)[:1]
    chosen = [*(f"python:{name_of(frame) or '?'}" for frame in entered), *outside][:TELLING]
    guessed = any(frame.scanned or len(own) == certain for frame in frames[len(own) : len(own) + 1])
    how = _explain(own, dead, len(inside), chosen, guessed=guessed)
    return " ".join([signal, " > ".join(chosen) or "?"]), how


def _after_fatal(inside: Sequence[NativeFrame]) -> Sequence[NativeFrame]:
    """The interpreter's frames without those in which it ends the process, if it called these itself.

    Some builds have no names of static functions, as `fatal_error` is; those that call it have names.
    """
    innermost = takewhile(lambda frame: not frame.function or normalise(frame.function) in FATAL, inside)
    fatal = [number for number, frame in enumerate(innermost) if frame.function]
    if not fatal:
        return inside
    called = list(takewhile(lambda frame: is_interpreter_file(frame.module), inside[fatal[-1] + 1 :]))
    return called or inside[fatal[-1] :]


def _entered(frames: Sequence[NativeFrame]) -> list[NativeFrame]:
    """Frames with only the outermost that tells of each run of glibc's, by its public name."""
    kept: list[NativeFrame] = []
    for glibc, run in groupby(frames, key=is_glibc):
        members = list(run)
        kept += _entry(members) if glibc else members
    return kept


def _entry(run: Sequence[NativeFrame]) -> list[NativeFrame]:
    names = [(frame, name) for frame in run if (name := name_of(frame))]
    return [frame.model_copy(update={"function": public_name(name)}) for frame, name in names[-1:]]


def _recursion(frames: Sequence[NativeFrame]) -> list[str]:
    """The functions that call each other; empty where none do."""
    stack = list(takewhile(lambda frame: not frame.trampoline, frames))
    named = [(name, frame) for frame in stack if (name := name_of(frame)) is not None]
    cycle = cycle_of(named, key=lambda pair: pair[0])
    outside = [family_of(frame) or "?" for _, frame in cycle if not is_interpreter(frame)]
    if outside or not cycle:
        return [name for name, _ in groupby(outside)]
    names = [name for name, _ in cycle]
    return (
        [f"python:{EVALUATION}"] if EVALUATION in names else [f"python:{name}" for name, _ in groupby(names)]
    )


def _explain(
    own: Sequence[NativeFrame], dead: int, inside: int, chosen: Sequence[str], *, guessed: bool
) -> str:
    boundary = next((frame for frame in own[dead + inside :] if is_interpreter(frame)), None)
    place = "outside the call to die" if dead else "from the fault outwards"
    entered = f"{inside} frames {place} are in the interpreter" if inside else ""
    if len(chosen) == TELLING:
        end = f"the first {TELLING} telling frames"
    elif boundary is not None and boundary.module:
        end = f"{len(chosen)} telling, then the interpreter ({PurePosixPath(boundary.module).name})"
    elif guessed:
        end = f"{len(chosen)} telling in {len(own)} frames from the fault outwards; the others are guesses"
    else:
        end = f"{len(chosen)} telling in all {len(own)} frames from the fault outwards"
    return "; ".join(part for part in (entered, end) if part)
