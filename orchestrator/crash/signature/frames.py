"""What one frame adds to a signature, and which frames may add something."""

import re
from collections.abc import Iterator, Sequence
from itertools import takewhile
from pathlib import PurePosixPath
from typing import Final

from orchestrator.crash.signature.functions import UNTELLING
from orchestrator.crash.signature.names import GLIBC_ALIASES, normalise
from orchestrator.model import NativeFrame
from orchestrator.model.frame_names import is_interpreter_file

TELLING: Final = 3
"""How many frames a signature has at most."""
_GLIBC: Final = re.compile(r"(libc|libpthread|ld)(-2)?|ld-linux(-.+)?")
"""Module names up to the first dot: libc.so.6, and libc-2.31.so as it was up to glibc 2.33."""
_RUNTIME: Final = re.compile(r"libstdc\+\+|libgcc_s|libc\+\+(abi)?|libunwind")
"""The languages' runtimes: whether their inner functions have names depends on what is installed."""
_SYSTEM: Final = ("/usr/", "/lib")
_USERS: Final = ("/usr/local/", "/usr/src/")
_GLIBC_VARIANT: Final = re.compile(r"__(\w+?)_(sse2|ssse3|sse4_[12]|avx|avx2|avx512|evex|erms|generic)\w*")
"""The variant of a string function that glibc chose for the CPU, such as __strlen_evex."""


def sure_frames(frames: Sequence[NativeFrame]) -> list[NativeFrame]:
    """The frames up to the first that was interrupted by a signal, or that a backend guessed."""
    return list(takewhile(lambda frame: not frame.trampoline and not frame.scanned, frames))


def telling(frames: Sequence[NativeFrame]) -> Iterator[str]:
    """What frames outwards add to a signature, up to the interpreter."""
    last = None
    for frame in frames:
        if is_interpreter(frame):
            return
        name = name_of(frame)
        if name and name != last:
            yield name
        last = name


def name_of(frame: NativeFrame) -> str | None:
    """What a frame adds to a signature; None where it tells nothing."""
    if frame.function is not None:
        name = normalise(frame.function)
        if is_glibc(frame) and (variant := _GLIBC_VARIANT.fullmatch(name)):
            name = variant[1]
        name = GLIBC_ALIASES.get(name, name) if is_glibc(frame) else name
        return None if name in UNTELLING or frame.function in UNTELLING else name
    if frame.module is None:
        return "?"
    if is_glibc(frame) or _RUNTIME.fullmatch(_module_name(frame.module)):
        return None
    module = _module_name(frame.module)
    if frame.module.startswith(_SYSTEM) and not frame.module.startswith(_USERS):
        return f"{module}!?"
    return f"{module}+{frame.offset or 0:#x}"


def is_glibc(frame: NativeFrame) -> bool:
    """Whether a frame is in the C library's own code."""
    return bool(frame.module and _GLIBC.fullmatch(_module_name(frame.module)))


def is_interpreter(frame: NativeFrame) -> bool:
    """Whether a frame is in CPython's own code."""
    return is_interpreter_file(frame.module)


def _module_name(path: str) -> str:
    return PurePosixPath(path).name.partition(".")[0]
