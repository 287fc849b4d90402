"""Signatures of story 1's real crashes, and of stacks as gdb prints them."""

from pathlib import Path

import pytest

from orchestrator.crash.signature.crash import sign_crash as sign
from orchestrator.crash.signature.functions import UNTELLING
from orchestrator.crash.signature.names import normalise
from orchestrator.model import Crash, NativeFrame

DATA = Path(__file__).parents[1] / "data" / "cores"
LIBC = "/usr/lib/x86_64-linux-gnu/libc.so.6"
PYTHON = "/usr/lib/x86_64-linux-gnu/libpython3.13.so.1.0"
PROBE = "/opt/crashmatrix/scenario/probe.abi3.so"


def stack(*parts: tuple[str | None, str | None]) -> list[NativeFrame]:
    return [NativeFrame(function=name, module=module, offset=0x1139) for name, module in parts]


@pytest.mark.parametrize("suite", ["bullseye", "bookworm", "trixie"])
def test_story_1_has_one_signature_on_every_glibc_and_python(suite: str) -> None:
    crash = Crash.model_validate_json((DATA / f"story1-{suite}.json").read_bytes())
    assert crash.signature == "SIGSEGV atexit_handler"
    native = crash.threads[0].native
    site = next(number for number, frame in enumerate(native) if frame.trampoline) + 1
    signature, how = sign(crash.signal.name, native[site:])
    assert signature == crash.signature
    assert "the interpreter (libpython3" in how


def test_abort_is_skipped_and_what_called_it_tells() -> None:
    frames = stack(
        (None, LIBC), ("raise", LIBC), ("__GI_abort", LIBC),
        ("__gnu_cxx::__verbose_terminate_handler()", "/usr/lib/x86_64-linux-gnu/libstdc++.so.6"),
        ("std::terminate()", "/usr/lib/x86_64-linux-gnu/libstdc++.so.6"),
        ("hold(void*)", PROBE), ("start_thread", LIBC), ("clone3", LIBC),
    )  # fmt: skip
    assert sign("SIGABRT", frames)[0] == "SIGABRT hold"


def test_a_rust_panic_is_named_by_who_panicked() -> None:
    frames = stack(
        ("abort", LIBC), ("std::sys::pal::unix::abort_internal", PROBE),
        ("std::panicking::rust_panic_with_hook", PROBE),
        ("std::panicking::begin_panic_handler::{{closure}}", PROBE),
        ("std::sys::backtrace::__rust_end_short_backtrace::h0123456789abcdef", PROBE),
        ("core::panicking::panic_fmt::h0123456789abcdef", PROBE),
        ("tlsprobe::touch::h0123456789abcdef", PROBE),
    )  # fmt: skip
    assert sign("SIGABRT", frames)[0] == "SIGABRT tlsprobe::touch"


def test_a_fault_in_the_interpreter_is_named_by_how_it_was_entered() -> None:
    old = stack(("PyErr_Occurred", PYTHON), ("PyErr_CheckSignals", PYTHON), ("handler", PROBE))
    new = stack(("_PyEval_SignalReceived", PYTHON), (None, PYTHON), ("PyErr_CheckSignals", PYTHON),
                ("handler", PROBE))  # fmt: skip
    assert sign("SIGSEGV", old)[0] == sign("SIGSEGV", new)[0] == "SIGSEGV python:PyErr_CheckSignals > handler"


def test_a_fault_with_nothing_but_the_interpreter_is_named_by_its_own_function() -> None:
    frames = stack(("take_gil", "/usr/bin/python3.11"), ("Py_RunMain", "/usr/bin/python3.11"))
    assert sign("SIGSEGV", frames)[0] == "SIGSEGV python:take_gil"


def test_an_abort_by_the_interpreter_is_named_by_how_that_was_entered() -> None:
    frames = stack(
        ("raise", LIBC), ("abort", LIBC), (None, "/usr/lib/libstdc++.so.6"), ("std::terminate()", None),
        ("__GI___pthread_exit", LIBC), ("PyThread_exit_thread", PYTHON), ("PyEval_RestoreThread", PYTHON),
        ("without_exceptions", PROBE), ("start_thread", LIBC),
    )  # fmt: skip
    assert sign("SIGABRT", frames)[0] == "SIGABRT python:PyEval_RestoreThread > without_exceptions"


@pytest.mark.parametrize("outer", ["_PyEval_Vector", "function_code_fastcall", "_PyEval_EvalFrameDefault"])
def test_who_called_python_code_does_not_tell_of_what_that_called(outer: str) -> None:
    frames = stack(
        ("raise", LIBC), ("abort", LIBC), ("os_abort_impl", PYTHON), ("_PyEval_EvalFrameDefault", PYTHON),
        (outer, PYTHON), ("python_call", "/opt/uwsgi"), ("_start", "/opt/uwsgi"),
    )  # fmt: skip
    signature, how = sign("SIGABRT", frames)
    assert signature == "SIGABRT python:os_abort_impl"
    assert how.startswith("3 frames outside the call to die are in the interpreter")


def test_what_was_interrupted_by_a_signal_does_not_tell() -> None:
    frames = [*stack(("on_term", PROBE)), NativeFrame(function=None, module=LIBC, trampoline=True),
              *stack(("epoll_wait", LIBC))]  # fmt: skip
    assert sign("SIGSEGV", frames)[0] == "SIGSEGV on_term"


def test_what_was_found_on_the_stack_does_not_tell() -> None:
    guessed = NativeFrame(function="init_cpu_features", module=PROBE, scanned=True)
    frames = [*stack(("c", PROBE)), guessed, *stack(("main", PROBE))]
    signature, how = sign("SIGSEGV", frames)
    assert signature == "SIGSEGV c"
    assert how == "1 telling in 1 frames from the fault outwards; the others are guesses"


def test_frames_without_names() -> None:
    frames = stack((None, LIBC), (None, "/usr/lib/x86_64-linux-gnu/libsqlite3.so.0.8.6"), (None, PROBE))
    assert sign("SIGSEGV", frames)[0] == "SIGSEGV libsqlite3!? > probe+0x1139"
    assert sign("SIGSEGV", [])[0] == "SIGSEGV ?"


@pytest.mark.parametrize(
    "inner",
    [
        [],
        ["value"],
        ["array", "value"],
        ["read", "member", "array", "value"],
        ["grow"],
        ["free", "grow", "value"],
    ],
)
def test_a_recursion_has_one_key_wherever_its_stack_ended(inner: list[str]) -> None:
    names = [*inner, *["member", "array", "value"] * 80]
    frames = stack(*((name, PROBE) for name in names))
    signature, how = sign("SIGSEGV", frames, overflowed=True)
    assert signature == "SIGSEGV array > value > member"
    assert how == "the recursion that the stack overflowed by"
    assert sign("SIGSEGV", frames)[0].startswith(f"SIGSEGV {names[0]} > ")


@pytest.mark.parametrize(
    ("inner", "period", "repeats"),
    [(32, 2, True), (33, 2, False), (0, 32, True), (0, 33, False), (0, 1, True), (0, 16, True)],
)
def test_a_recursion_is_looked_for_within_bounds(inner: int, period: int, repeats: bool) -> None:
    names = [f"inner{number}" for number in range(inner)] + [f"f{number:02}" for number in range(period)] * 40
    signature, how = sign("SIGSEGV", stack(*((name, PROBE) for name in names)), overflowed=True)
    assert (how == "the recursion that the stack overflowed by") is repeats
    assert (
        not repeats or signature == f"SIGSEGV {' > '.join(f'f{number:02}' for number in range(period)[:3])}"
    )


@pytest.mark.parametrize(
    ("period", "frames", "repeats"), [(1, 15, False), (1, 16, True), (6, 17, False), (6, 18, True)]
)
def test_a_recursion_is_three_rounds_and_at_least_sixteen_frames(
    period: int, frames: int, repeats: bool
) -> None:
    names = [f"f{number % period}" for number in range(frames)]
    how = sign("SIGSEGV", stack(*((name, PROBE) for name in names)), overflowed=True)[1]
    assert (how == "the recursion that the stack overflowed by") is repeats


def test_what_does_not_repeat_is_no_recursion() -> None:
    frames = stack(*((name, PROBE) for name in ["a", "b", "a", "b", "main"]))
    assert sign("SIGSEGV", frames, overflowed=True)[0] == "SIGSEGV a > b > a"


@pytest.mark.parametrize("name", ["__strlen_evex", "__strlen_avx2", "__strlen_sse2", "__strlen_evex512"])
def test_glibcs_variants_for_cpus_are_one(name: str) -> None:
    assert sign("SIGSEGV", stack((name, LIBC), ("f", PROBE)))[0] == "SIGSEGV strlen > f"
    assert sign("SIGSEGV", stack((name, PROBE)))[0].startswith("SIGSEGV __strlen")


@pytest.mark.parametrize(
    "inside",
    [
        ["__strlen_evex", "__vfprintf_internal", "__printf"],
        ["__strlen_avx2", None, "printf"],
        ["__strlen_sse2", None, "_IO_printf"],
        [None, "printf"],
    ],
)
def test_of_glibcs_functions_the_one_counts_that_was_called_from_outside(inside: list[str | None]) -> None:
    frames = stack(*((name, LIBC) for name in inside), ("say", PROBE), ("main", PROBE))
    assert sign("SIGSEGV", frames)[0] == "SIGSEGV printf > say > main"


@pytest.mark.parametrize("inside", [["msort_with_tmp", "__GI___qsort_r", "qsort"], [None, "qsort_r"]])
def test_a_call_that_ends_with_a_jump_has_one_name(inside: list[str | None]) -> None:
    frames = stack(("compare", PROBE), *((name, LIBC) for name in inside), ("main", PROBE))
    assert sign("SIGSEGV", frames)[0] == "SIGSEGV compare > qsort > main"


def test_what_glibc_calls_at_the_end_is_told_with_who_ended_the_program() -> None:
    named = stack(("last", PROBE), ("__run_exit_handlers", LIBC), ("__GI_exit", LIBC), ("stop", PROBE))
    assert sign("SIGSEGV", named)[0] == "SIGSEGV last > exit > stop"
    returned = stack(("last", PROBE), (None, LIBC), ("exit", LIBC), ("__libc_start_call_main", LIBC))
    assert sign("SIGSEGV", returned)[0] == "SIGSEGV last > exit"


def test_asans_end_of_a_program_does_not_tell() -> None:
    """As gdb names the frames of gcc 14's, in the program itself."""
    report = "__asan::ReportGenericError(unsigned long, unsigned int, bool) [clone .part.0]"
    frames = stack(
        ("__GI_abort", LIBC), ("__sanitizer::Abort() [clone .cold]", PROBE), ("__sanitizer::Die()", PROBE),
        ("__asan::ScopedInErrorReport::~ScopedInErrorReport()", PROBE), (report, PROBE),
        ("__asan_report_load8", PROBE), ("look_at_state", PROBE), ("run", PROBE),
        ("asan_thread_start(void*)", PROBE), ("start_thread", LIBC),
    )  # fmt: skip
    assert sign("SIGABRT", frames)[0] == "SIGABRT look_at_state > run"


def test_a_function_that_calls_itself_counts_once() -> None:
    assert sign("SIGSEGV", stack(*((name, PROBE) for name in "aaabba")))[0] == "SIGSEGV a > b > a"


def test_another_name_of_glibcs_function_is_the_users_own_elsewhere() -> None:
    assert sign("SIGSEGV", stack(("cfree", LIBC)))[0] == "SIGSEGV free"
    assert sign("SIGSEGV", stack(("cfree", PROBE)))[0] == "SIGSEGV cfree"


def test_what_a_note_says() -> None:
    """How a signature was made, for the reader of a report."""
    inside = [("take_gil", PYTHON), ("PyEval_RestoreThread", PYTHON)]
    assert sign("SIGSEGV", stack(*inside, ("f", PROBE)))[1] == (
        "2 frames from the fault outwards are in the interpreter; "
        "2 telling in all 3 frames from the fault outwards"
    )
    assert sign("SIGABRT", stack(("abort", LIBC), ("f", PROBE), *inside))[1] == (
        "1 telling, then the interpreter (libpython3.13.so.1.0)"
    )
    assert sign("SIGSEGV", stack(*((name, PROBE) for name in "abcd")))[1] == "the first 3 telling frames"
    assert sign("SIGSEGV", stack(("a", PROBE)))[1] == "1 telling in all 1 frames from the fault outwards"
    signal = NativeFrame(function=None, module=LIBC, trampoline=True)
    guess = NativeFrame(function="b", module=PROBE, scanned=True)
    interrupted = [*stack(("a", PROBE)), signal, guess]
    assert sign("SIGSEGV", interrupted)[1] == "1 telling in all 1 frames from the fault outwards"


def test_frames_of_which_little_is_known() -> None:
    assert sign("SIGSEGV", [NativeFrame(function=None, module=PROBE)])[0] == "SIGSEGV probe+0x0"
    unnamed = stack((None, "/opt/python3.13"), ("f", PROBE))
    assert sign("SIGSEGV", unnamed)[0] == "SIGSEGV python:python3+0x1139 > f"
    told = stack(("_start", "/usr/bin/python3.13"), ("f", PROBE))
    assert sign("SIGSEGV", told)[0] == "SIGSEGV python:? > f"


def test_different_faults_differ() -> None:
    assert sign("SIGSEGV", stack(("a", PROBE)))[0] != sign("SIGSEGV", stack(("b", PROBE)))[0]
    assert sign("SIGSEGV", stack(("a", PROBE)))[0] != sign("SIGBUS", stack(("a", PROBE)))[0]


@pytest.mark.parametrize(
    "name", ["__libc_message", "__GI___libc_message", "__libc_fatal", "__GI___libc_fatal"]
)
def test_glibcs_last_words_do_not_tell(name: str) -> None:
    frames = stack(("abort", LIBC), (name, LIBC), ("f", PROBE))
    assert sign("SIGABRT", frames)[0] == "SIGABRT f"


@pytest.mark.parametrize(
    "name",
    ["abort_job", "free_list", "raise_error", "terminate", "panic", "my::abort", "message", "fatal"],
)
def test_a_users_function_that_is_called_like_an_ignored_one_is_kept(name: str) -> None:
    assert sign("SIGSEGV", stack((name, PROBE)))[0] == f"SIGSEGV {name}"


@pytest.mark.parametrize(
    ("name", "normal"),
    [
        ("touch.isra.0", "touch"),
        ("touch.constprop.0.cold", "touch"),
        ("touch [clone .part.3]", "touch"),
        ("touch.llvm.1234567", "touch"),
        ("tlsprobe::touch::h0123456789abcdef", "tlsprobe::touch"),
        ("Holder<int, std::optional<long> >::get(int) const", "Holder::get"),
        ("run::{lambda(int)#2}::operator()", "run::{lambda}::operator()"),
        ("run(void (*)(int), int*)", "run"),
        ("each(std::function<void ()>, int*)", "each"),
        ("Foo::operator()(int (*)()) const &", "Foo::operator()"),
        ("n::Pub::go const", "n::Pub::go"),
        ("__GI_getenv", "getenv"),
        ("__libc_free", "free"),
        ("__GI___libc_free", "free"),
        ("__libc_start_main", "__libc_start_main"),
        ("operator<", "operator<"),
        ("operator<<", "operator<<"),
        ("h0123456789abcdef", "h0123456789abcdef"),
        ("main::<lambda(int)>::operator()", "main::{lambda}::operator()"),
    ],
)
def test_names_lose_what_compilers_add(name: str, normal: str) -> None:
    assert normalise(name) == normal


@pytest.mark.parametrize(
    ("gdb", "elf", "normal"),
    [
        # By debug information, and by the linker's name where there is none; of rustc 1.95 and gcc 12.
        ("r::main::{closure#13}", "r::main::{{closure}}", "r::main::{closure}"),
        ("r[4dd80272b5a2d1fc]::boom", "r::boom", "r::boom"),
        ("r::apply<r::main::{closure#6}::{closure_env#0}>", "r::apply::<r::main::{closure#6}::{closure#0}>",
         "r::apply"),
        ("<r[4dd80272b5a2d1fc]::S<i64> as r[4dd80272b5a2d1fc]::Tr>::go", "<r::S<T> as r::Tr>::go",
         "<r::S as r::Tr>::go"),
        ("void ns::tmpl<int (*)(int, char)>(int (*)(int, char)) [clone .isra.0]",
         "ns::tmpl<int (*)(int, char)> [clone .isra.0]", "ns::tmpl"),
        ("auto lam2()::{lambda(auto:1)#1}::operator()<int>(int) const",
         "lam2()::{lambda(auto:1)#1}::operator()<int>", "lam2::{lambda}::operator()"),
        ("Tag[abi:tagged]::m()", "Tag[abi:tagged]::m", "Tag::m"),
        ('operator"" _km(unsigned long long)', 'operator""_km', 'operator""_km'),
        ("ns::Box<int, 3>::operator< ", "ns::Box<int, 3>::operator<", "ns::Box::operator<"),
        ("std::operator<< <char, std::char_traits<char> >", "std::operator<< <char>", "std::operator<<"),
        ("ns::Box<long, 3>::operator std::vector<long, std::allocator<long> >",
         "ns::Box<long, 3>::operator std::vector<long>", "ns::Box::operator std::vector"),
        ("ns::Box<std::string, 3>::operator->()", "ns::Box<std::string, 3>::operator->",
         "ns::Box::operator->"),
        ("non-virtual thunk to ns::D::v(int)", "non-virtual thunk to ns::D::v", "ns::D::v"),
        ("ns::(anonymous namespace)::Hidden::go(std::string const&) const",
         "ns::(anonymous namespace)::Hidden::go", "ns::(anonymous namespace)::Hidden::go"),
        ("N::operator new", "N::operator new", "N::operator new"),
        ("cold_way[cold]", "cold_way.cold", "cold_way"),
        ("inner", "inner.0", "inner"),
        ("lib_v@@V2", "lib_v", "lib_v"),
        ("a<b", "a<b", "a<b"),
        ("a>b", "a>b", "a>b"),
    ],
)  # fmt: skip
def test_a_function_has_one_name_by_both_backends(gdb: str, elf: str, normal: str) -> None:
    assert (normalise(gdb), normalise(elf)) == (normal, normal)


def test_what_gdb_found_by_a_guess_does_not_tell() -> None:
    frames = stack(("back", PROBE), ("by_hand", PROBE), (None, None), ("main", PROBE))
    assert sign("SIGSEGV", frames)[0] == "SIGSEGV back > by_hand > ?"
    signature, how = sign("SIGSEGV", frames, certain=2)
    assert signature == "SIGSEGV back > by_hand"
    assert how == "2 telling in 2 frames from the fault outwards; the others are guesses"


def test_the_ignored_names_are_as_normalised_names_are() -> None:
    assert {name for name in UNTELLING if normalise(name) not in UNTELLING} == set()
