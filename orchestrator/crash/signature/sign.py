"""The stable key of a crash: the original signal, and the first frames that tell.

A signature must be the same for the same fault on every glibc and Python, and another one for
another fault. So:

- It starts at the original fault: a handler that aborted, and all above its trampoline, is not in it.
- Frames that every abort, exception or panic has are skipped, by exact name only: a prefix rule
  would swallow a user's own function.
- It ends at the interpreter. Which of CPython's functions lie between two frames of other code
  differs from version to version (`atexit_callfuncs`, `_PyEval_Vector`), and so they do not tell.
  Where the fault itself, or the call to die, lies in the interpreter, the function by which that was
  entered stands for all of them: it is API, and stays. Where Python code lies between, or nobody tells who
  entered, its innermost function does.
- It ends at a further trampoline: what lies below was interrupted at any moment.
- It ends at the first frame that was guessed: what lies on a stack is another thing in every run.
- Of a stack that overflowed it is the functions that call each other, wherever the stack ended.
- Names lose what compilers add: clone suffixes, hashes, arguments, template arguments.
- Of glibc's functions that call each other the one counts that was called from outside, by its public name:
  whether the others have names depends on whether glibc's debug file is installed.
- A string function of glibc loses the variant that was chosen for the CPU.
- A frame without a name counts by its module alone where the system brings that module (offsets
  differ from build to build), and with its offset where it is the user's own.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import groupby, takewhile
from pathlib import PurePosixPath
from typing import Final

from orchestrator.binary.cpp_arguments import without_arguments
from orchestrator.crash.signature.recursion import cycle_of
from orchestrator.model import NativeFrame

EVALUATION: Final = "_PyEval_EvalFrameDefault"
"""The function of CPython in which Python code runs."""
TELLING: Final = 3
"""How many frames a signature has at most."""
_INTERPRETER: Final = re.compile(r"(lib)?python\d?(\.\d+)?[dt]*(\.so[\d.]*)?")
_GLIBC: Final = re.compile(r"(libc|libpthread|ld)(-2)?|ld-linux(-.+)?")
"""Module names up to the first dot: libc.so.6, and libc-2.31.so as it was up to glibc 2.33."""
_RUNTIME: Final = re.compile(r"libstdc\+\+|libgcc_s|libc\+\+(abi)?|libunwind")
"""The languages' runtimes: whether their inner functions have names depends on what is installed."""
_SYSTEM: Final = ("/usr/", "/lib")
_USERS: Final = ("/usr/local/", "/usr/src/")
_CLONE: Final = re.compile(r"(\.(isra|constprop|part|cold|lto_priv|llvm)(\.\d+)?| ?\[clone [^]]*\])+$")
_RUST_HASH: Final = re.compile(r"::h[0-9a-f]{16}$")
_LAMBDA: Final = re.compile(r"\{(lambda|closure|unnamed type)[^}]*#?\d*\}")
_TEMPLATE: Final = re.compile(r"(?<!operator)(?<!operator<)<[^<>]*>")
_GLIBC_VARIANT: Final = re.compile(r"__(\w+?)_(sse2|ssse3|sse4_[12]|avx|avx2|avx512|evex|erms|generic)\w*")
"""The variant of a string function that glibc chose for the CPU, such as __strlen_evex."""
_GLIBC_PREFIXES: Final = ("__GI_", "__libc_")
_GLIBC_ALIASES: Final = {"cfree": "free", "gsignal": "raise", "qsort_r": "qsort"}
"""Other names of the same function, which a symbol table may have first; qsort ends by a jump to qsort_r."""
_GLIBC_OWN: Final = frozenset({"free", "malloc", "calloc", "realloc", "memalign", "abort", "raise", "system"})
"""Names that glibc has both plain and with a prefix, depending on which symbols are installed."""
JOIN: Final = frozenset({"pthread_join", "pthread_clockjoin_ex", "pthread_timedjoin_ex", "pthread_clockjoin"})
"""They wait on the word that holds the id of a thread until that ends."""
_ADDS: Final = ("_time64", "64")

ABORTING: Final = frozenset({
    "abort", "raise", "gsignal", "kill", "__kill", "tgkill", "tkill", "pthread_kill", "__pthread_kill",
    "__pthread_kill_implementation", "__pthread_kill_internal", "__pthread_raise_internal",
    "__assert", "__assert_fail", "__assert_fail_base", "__assert_perror_fail",
    "__libc_message", "__libc_message_impl", "__libc_message_wrapper", "__libc_fatal", "__fortify_fail",
    "__chk_fail", "__stack_chk_fail", "__stack_chk_fail_local", "__libc_assert_fail", "malloc_printerr",
    "malloc_printerr_tail", "__malloc_assert",
})  # fmt: skip
"""glibc's ways to die, 2.17 to 2.43."""
ALLOCATOR: Final = frozenset({
    "_int_free", "_int_free_chunk", "_int_free_merge_chunk", "_int_free_create_chunk",
    "_int_free_maybe_consolidate", "_int_free_maybe_trim", "_int_malloc", "_int_realloc", "_int_memalign",
    "malloc_consolidate", "unlink_chunk", "unlink_chunk.constprop", "sysmalloc", "systrim", "tcache_get",
    "tcache_put", "tcache_init", "tcache_malloc_init", "tcache_thread_shutdown", "munmap_chunk",
    "mremap_chunk", "alloc_perturb", "free_perturb", "checked_request2size", "_mid_memalign",
})  # fmt: skip
"""Inside malloc and free; which of them is on the stack differs by version."""
TERMINATING: Final = frozenset({
    "std::terminate", "std::__terminate", "__cxxabiv1::__terminate", "__gnu_cxx::__verbose_terminate_handler",
    "__cxa_throw", "__cxa_rethrow", "__cxa_call_terminate", "__cxa_call_unexpected", "__clang_call_terminate",
    "__gxx_personality_v0", "__cxxabiv1::__gxx_personality_v0", "_Unwind_RaiseException",
    "_Unwind_RaiseException_Phase2", "_Unwind_ForcedUnwind", "_Unwind_ForcedUnwind_Phase2", "_Unwind_Resume",
    "_Unwind_Resume_or_Rethrow", "unwind_stop", "unwind_cleanup", "_Unwind_DeleteException",
    "__pthread_unwind", "pthread_exit", "__pthread_exit", "__do_cancel", "abort_message",
    "demangling_terminate_handler", "std::__1::terminate", "std::__terminate_impl",
})  # fmt: skip
"""C++ exceptions that nobody catches, by libstdc++, libgcc, libc++ and libunwind."""
PANICKING: Final = frozenset({
    "rust_panic", "rust_begin_unwind", "__rust_start_panic", "__rust_foreign_exception", "__rust_drop_panic",
    "panic_abort::__rust_start_panic", "panic_abort::__rust_start_panic::abort",
    "panic_unwind::__rust_start_panic", "std::panicking::begin_panic", "std::panicking::begin_panic_handler",
    "std::panicking::begin_panic_handler::{{closure}}", "std::panicking::begin_panic::{{closure}}",
    "std::panicking::panic_handler", "std::panicking::panic_handler::{closure}",
    "std::panicking::begin_panic_handler::{closure}", "std::panicking::rust_panic",
    "std::panicking::rust_panic_with_hook", "std::panicking::rust_panic_without_hook",
    "std::panicking::default_hook", "std::sys_common::backtrace::__rust_end_short_backtrace",
    "std::sys::backtrace::__rust_end_short_backtrace", "std::sys_common::rust_panic_cannot_unwind",
    "std::process::abort", "std::sys::abort_internal", "std::sys::unix::abort_internal",
    "std::sys::pal::unix::abort_internal", "std::sys::pal::common::abort_internal",
    "core::panicking::panic", "core::panicking::panic_fmt", "core::panicking::panic_nounwind",
    "core::panicking::panic_nounwind_fmt", "core::panicking::panic_nounwind_nobacktrace",
    "core::panicking::panic_cannot_unwind", "core::panicking::panic_in_cleanup",
    "core::panicking::panic_bounds_check", "core::panicking::panic_display",
    "core::panicking::panic_explicit", "core::panicking::panic_str", "core::panicking::assert_failed",
    "core::panicking::assert_failed_inner",
    "core::panicking::unreachable_display", "core::option::unwrap_failed", "core::option::expect_failed",
    "core::result::unwrap_failed", "core::cell::panic_already_borrowed",
    "core::cell::panic_already_mutably_borrowed", "std::thread::local::panic_access_error",
})  # fmt: skip
"""What lies between a Rust panic and its end."""
SANITIZING: Final = frozenset({
    "__sanitizer::Abort", "__sanitizer::Die", "__sanitizer::CheckFailed",
    "__asan::ScopedInErrorReport::~ScopedInErrorReport", "__asan::ReportGenericError",
    "__asan::ReportDoubleFree", "__asan::ReportFreeNotMalloced", "__asan::ReportDeadlySignal",
    "__asan::AsanOnDeadlySignal", "__asan_report_error", "__asan_report_load_n", "__asan_report_store_n",
    *(f"__asan_report_{access}{size}" for access in ("load", "store") for size in (1, 2, 4, 8, 16)),
})  # fmt: skip
"""AddressSanitizer's end of a program, after its report (compiler-rt's asan_report.cpp, asan_rtl.cpp)."""
STARTING: Final = frozenset({
    "_start", "__libc_start_main", "__libc_start_main_impl", "__libc_start_call_main", "start_thread",
    "clone", "clone3", "__clone", "__clone3", "__clone_internal", "thread_start",
    "asan_thread_start", "__asan::AsanThread::ThreadStart",
})  # fmt: skip
"""The outer end of every stack."""
UNTELLING: Final = ABORTING | ALLOCATOR | TERMINATING | PANICKING | SANITIZING | STARTING


def sign(signal: str, frames: Sequence[NativeFrame], *, overflowed: bool = False) -> tuple[str, str]:
    """The signature of a crash, and how it was made; `frames` from the original fault outwards.

    `overflowed`: the stack did, so that the recursion tells, and not who was at its end.
    """
    own = sure_frames(frames)
    if overflowed and (recursion := _recursion(own)):
        return f"{signal} {' > '.join(recursion[:TELLING])}", "the recursion that the stack overflowed by"
    dying = list(takewhile(lambda frame: not is_interpreter(frame) and _name(frame) is None, own))
    inside = list(takewhile(is_interpreter, own[len(dying) :]))
    between = any(normalise(frame.function or "") == EVALUATION for frame in inside)
    outside = [] if between else list(telling(_entered(own[len(dying) + len(inside) :])))
    entered = inside[-1:] if outside else inside[:1]
    chosen = [*(f"python:{_name(frame) or '?'}" for frame in entered), *outside][:TELLING]
    guessed = any(frame.scanned for frame in frames[len(own) : len(own) + 1])
    how = _explain(own, len(dying), len(inside), chosen, guessed=guessed)
    return " ".join([signal, " > ".join(chosen) or "?"]), how


def sure_frames(frames: Sequence[NativeFrame]) -> list[NativeFrame]:
    """The frames up to where something was interrupted, or where the stack could only be guessed."""
    return list(takewhile(lambda frame: not frame.trampoline and not frame.scanned, frames))


def normalise(function: str) -> str:
    """A function's name as it is in every build: no clone suffix, hash, argument or template argument."""
    name = _RUST_HASH.sub("", _CLONE.sub("", function))
    name = _LAMBDA.sub(r"{\1}", name)
    name = without_arguments(name)
    while (shorter := _TEMPLATE.sub("", name)) != name and shorter:
        name = shorter
    for prefix in _GLIBC_PREFIXES:
        if name.removeprefix(prefix) in _GLIBC_OWN or prefix == "__GI_":
            name = name.removeprefix(prefix)
    return name


def public_name(function: str) -> str:
    """A function of the C library as programs call it: of ___pthread_cond_timedwait64, __libc_read, say."""
    name = normalise(function).lstrip("_").removeprefix("libc_").removeprefix("IO_")
    name = next((name.removesuffix(end) for end in _ADDS if name.endswith(end)), name)
    return "pthread_join" if name in JOIN else _GLIBC_ALIASES.get(name, name)


def _entered(frames: Sequence[NativeFrame]) -> list[NativeFrame]:
    """Frames with only the outermost that tells of each run of glibc's, by its public name."""
    kept: list[NativeFrame] = []
    for glibc, run in groupby(frames, key=is_glibc):
        members = list(run)
        kept += _entry(members) if glibc else members
    return kept


def _entry(run: Sequence[NativeFrame]) -> list[NativeFrame]:
    names = [(frame, name) for frame in run if (name := _name(frame))]
    return [frame.model_copy(update={"function": public_name(name)}) for frame, name in names[-1:]]


def telling(frames: Sequence[NativeFrame]) -> Iterator[str]:
    """What frames outwards add to a signature, up to the interpreter."""
    last = None
    for frame in frames:
        if is_interpreter(frame):
            return
        name = _name(frame)
        if name and name != last:
            yield name
        last = name


def _recursion(own: Sequence[NativeFrame]) -> list[str]:
    """The functions that call each other; the interpreter's differ by version, so it has none."""
    if any(map(is_interpreter, own)):
        return []
    cycle = cycle_of([name for frame in own if (name := _name(frame))])
    return [name for name, _ in groupby(cycle)]


def _name(frame: NativeFrame) -> str | None:
    """What a frame adds to the signature; None where it tells nothing."""
    if frame.function is not None:
        name = normalise(frame.function)
        if is_glibc(frame) and (variant := _GLIBC_VARIANT.fullmatch(name)):
            name = variant[1]
        name = _GLIBC_ALIASES.get(name, name) if is_glibc(frame) else name
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


def _module_name(path: str) -> str:
    return PurePosixPath(path).name.partition(".")[0]


def is_interpreter(frame: NativeFrame) -> bool:
    """Whether a frame is in CPython's own code."""
    return bool(frame.module and _INTERPRETER.fullmatch(PurePosixPath(frame.module).name))


def _explain(
    own: Sequence[NativeFrame], dying: int, inside: int, chosen: Sequence[str], *, guessed: bool
) -> str:
    boundary = next((frame for frame in own[dying + inside :] if is_interpreter(frame)), None)
    place = "outside the call to die" if dying else "from the fault outwards"
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
