"""Functions by their normalised names: those that do not characterise a crash, and those that wait.

All are exact names. A prefix rule such as `^free` would swallow a user's own function.
"""

from typing import Final

EVALUATION: Final = "_PyEval_EvalFrameDefault"
"""The function of CPython in which Python code runs."""
ABORTING: Final = frozenset({
    "abort", "raise", "gsignal", "kill", "__kill", "tgkill", "tkill", "pthread_kill", "__pthread_kill",
    "__pthread_kill_implementation", "__pthread_kill_internal", "__pthread_raise_internal",
    "__assert", "__assert_fail", "__assert_fail_base", "__assert_perror_fail",
    "__libc_message", "__libc_message_impl", "__libc_message_wrapper", "__libc_fatal", "__fortify_fail",
    "__chk_fail", "__stack_chk_fail", "__stack_chk_fail_local", "__libc_assert_fail", "malloc_printerr",
    "malloc_printerr_tail", "__malloc_assert", "__block_app_sigs", "__block_all_sigs", "__restore_sigs",
})  # fmt: skip
"""Ways to die of glibc, 2.17 to 2.43, and of musl, 1.2."""
FATAL: Final = frozenset({
    "fatal_error", "fatal_error_exit", "_Py_FatalErrorFunc", "_Py_FatalErrorFormat", "Py_FatalError",
    "_Py_FatalRefcountErrorFunc", "_Py_FatalRefcountError", "_PyObject_AssertFailed",
    "_Py_CheckFunctionResult", "_Py_CheckSlotResult",
})  # fmt: skip
"""CPython's ways to die, 3.8 to 3.15: who called them tells."""
ALLOCATOR: Final = frozenset({
    "_int_free", "_int_free_merge_chunk", "_int_free_create_chunk",
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
    "rust_panic", "rust_begin_unwind", "std::rt::__rust_abort", "__rustc::__rust_abort",
    "__rustc::rust_panic", "__rustc::rust_begin_unwind",
    "__rustc::__rust_start_panic", "std::panicking::panic_with_hook",
    "core::panicking::panic_nounwind_fmt::runtime",
    "__rust_start_panic", "__rust_foreign_exception", "__rust_drop_panic",
    "panic_abort::__rust_start_panic", "panic_abort::__rust_start_panic::abort",
    "panic_unwind::__rust_start_panic", "std::panicking::begin_panic", "std::panicking::begin_panic_handler",
    "std::panicking::begin_panic::{closure}",
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
    "libc_start_main_stage2", "_start_c",
    "clone", "clone3", "__clone", "__clone3", "__clone_internal", "thread_start",
    "asan_thread_start", "__asan::AsanThread::ThreadStart",
})  # fmt: skip
"""The outer end of every stack."""
FOREIGN_CALLS: Final = frozenset({
    "ffi_call", "ffi_call_int", "ffi_call_unix64", "ffi_call_SYSV", "ffi_closure_unix64",
    "ffi_closure_unix64_inner", "ffi_closure_SYSV", "ffi_closure_SYSV_inner",
})  # fmt: skip
"""libffi, 3.2 to 3.5, on x86-64 and arm64: calls of functions whose types are known only at run time."""
UNTELLING: Final = ABORTING | ALLOCATOR | TERMINATING | PANICKING | SANITIZING | STARTING | FOREIGN_CALLS

PRIMITIVES: Final = frozenset({
    "PyCOND_TIMEDWAIT", "PyCOND_WAIT", "_pysemaphore_wait", "_PySemaphore_PlatformWait", "_PySemaphore_Wait",
    "_PyParkingLot_Park", "std::condition_variable::wait", "std::__condvar_confirm",
    "__gthread_cond_wait", "__gthread_mutex_lock", "std::mutex::lock", "std::lock_guard::lock_guard",
    "std::unique_lock::lock", "std::unique_lock::unique_lock",
    "std::__1::__libcpp_mutex_lock", "std::__1::__libcpp_condvar_wait",
    "std::__1::__libcpp_condvar_timedwait", "std::__1::mutex::lock", "std::__1::lock_guard::lock_guard",
    "std::__1::unique_lock::lock", "std::__1::unique_lock::unique_lock", "std::__1::condition_variable::wait",
    "std::__1::condition_variable::__do_timed_wait",
})  # fmt: skip
"""Functions of CPython, libstdc++ and libc++ between the C library and the function that uses it.

Which of them are inlined, and whether a backend shows inlined ones, differs by build.
"""
GIL: Final = frozenset(
    {"take_gil", "PyEval_RestoreThread", "PyEval_AcquireThread", "PyEval_AcquireLock", "PyGILState_Ensure"}
)
GONE: Final = frozenset({"PyThread_hang_thread", "_PyThreadState_HangThread"})
PYTHON_LOCK: Final = frozenset({
    "PyThread_acquire_lock", "PyThread_acquire_lock_timed", "_PyMutex_LockTimed", "acquire_timed",
    "lock_PyThread_acquire_lock", "rlock_acquire", "lock_acquire_lock",
})  # fmt: skip
MUTEX: Final = frozenset({"pthread_mutex_lock", "pthread_mutex_timedlock", "pthread_mutex_clocklock"})
DRIVING: Final = STARTING | {
    "__run_exit_handlers",
    "__cxa_finalize",
    "__call_tls_dtors",
    "__nptl_deallocate_tsd",
    "_dl_fini",
    "qsort_r",
}
"""Functions of the C library that call others' code, so that what waits there waits for that code."""
JOIN: Final = frozenset({"pthread_join", "pthread_clockjoin_ex", "pthread_timedjoin_ex", "pthread_clockjoin"})
"""They wait on the word that holds the id of a thread until that ends."""
