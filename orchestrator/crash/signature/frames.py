"""What one frame adds to a signature, and which frames may add something."""

import re
from collections.abc import Iterable, Iterator, Sequence
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
_RUNTIME: Final = re.compile(r"libstdc\+\+|libgcc_s|libc\+\+(abi)?|libunwind|libffi")
"""The languages' runtimes: whether their inner functions have names depends on what is installed."""
_BUNDLED: Final = re.compile(r"(?<=\w)-[0-9a-f]{8}$")
"""The digest that auditwheel adds to the name of a library that it copies: each build has another."""
_RUST_OWN: Final = re.compile(r"(core|alloc|std|panic_abort|panic_unwind|__rustc)::|<\W*(core|alloc|std)::")
"""Functions of Rust's own crates, and methods of their types."""
_PANICS: Final = re.compile(r"(core|std)::panicking::|(__rustc::)?rust_(begin_unwind|panic)$")
_MODULES: Final = "/lib-dynload/"
"""The folder of the standard library's modules."""
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


def dying(frames: Sequence[NativeFrame]) -> list[NativeFrame]:
    """The innermost frames that tell nothing, since every abort, exception or panic has them.

    A panic of Rust has functions of its own crates outside of these, such as the one that checked an index.
    Which of them are inlined, and their names, differ by release and by debug information.
    """
    found = list(takewhile(lambda frame: not is_interpreter(frame) and name_of(frame) is None, frames))
    if not is_panic(found):
        return found
    own = list(takewhile(lambda frame: name_of(frame) is None or _is_rusts_own(frame), frames))
    return own if len(own) < len(frames) else found


def is_panic(frames: Sequence[NativeFrame]) -> bool:
    """Whether frames are of a panic of Rust."""
    return any(_PANICS.match(normalise(frame.function or "")) for frame in frames)


def without_rusts_own(frames: Sequence[NativeFrame]) -> list[NativeFrame]:
    """The frames without those of Rust's own crates."""
    return [frame for frame in frames if not _is_rusts_own(frame)]


def _is_rusts_own(frame: NativeFrame) -> bool:
    return bool(_RUST_OWN.match(normalise(frame.function or "")))


def name_of(frame: NativeFrame) -> str | None:
    """What a frame adds to a signature; None where it tells nothing."""
    if frame.function is not None:
        name = normalise(frame.function)
        if is_glibc(frame) and (variant := _GLIBC_VARIANT.fullmatch(frame.function)):
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


def family_of(frame: NativeFrame) -> str | None:
    """As `name_of`, but of a frame without a name by its module alone."""
    if frame.function is None and frame.module is not None and name_of(frame) is not None:
        return f"{_module_name(frame.module)}!?"
    return name_of(frame)


def with_build(frames: Iterable[NativeFrame], program: str, build_id: str) -> list[NativeFrame]:
    """Frames of a stripped program by its build id and their offsets: its path means all of its code."""
    return [
        frame.model_copy(update={"function": f"{_module_name(program)}@{build_id[:12]}+{frame.offset:#x}"})
        if frame.module == program and frame.function is None and frame.offset is not None
        else frame
        for frame in frames
    ]


def is_glibc(frame: NativeFrame) -> bool:
    """Whether a frame is in the C library's own code."""
    return bool(frame.module and _GLIBC.fullmatch(_module_name(frame.module)))


def is_interpreter(frame: NativeFrame) -> bool:
    """Whether a frame is in CPython's own code, also in the modules of its standard library.

    Some builds have those within the interpreter, and some have them stripped.
    """
    return is_interpreter_file(frame.module) or bool(frame.module and _MODULES in frame.module)


def _module_name(path: str) -> str:
    return _BUNDLED.sub("", PurePosixPath(path).name.partition(".")[0])
