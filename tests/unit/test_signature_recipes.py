"""Signatures of real crashes, by their stacks as the backend `elf` read them: one key for each bug.

tests/data/cores/stacks.json has the frames from the fault outwards of:
- r-BUG, r-BUG-g: a Rust program with panic=abort of rustc 1.95, once with legacy mangling and no debug
  information, once with v0 mangling and debug information; 14 ways to panic.
- ast-VERSION-RUN: `ast.parse("+0" * 209644)`, which overflows the stack of CPython.
- ojVERSION: `orjson.loads("[" * 10**6 + "]" * 10**6)` of orjson 3.9.14, whose wheels are stripped.
- m36, m37, p310: `ctypes.string_at(0)`; CPython 3.7's library is libpython3.7m, its libffi has names.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.crash.signature.crash import sign_crash
from orchestrator.crash.signature.frames import with_build
from orchestrator.crash.signature.names import normalise
from orchestrator.model import NativeFrame
from orchestrator.model.frame_names import is_interpreter_file

STACKS: dict[str, Any] = {
    item["recipe"]: item
    for item in json.loads((Path(__file__).parents[1] / "data/cores/stacks.json").read_text())
}
PANICS = sorted(name.removeprefix("r-") for name in STACKS if name.startswith("r-") and name[-2:] != "-g")
PYTHON = "/usr/lib/x86_64-linux-gnu/libpython3.13.so.1.0"


def key(recipe: str) -> str:
    item = STACKS[recipe]
    frames = [
        NativeFrame(function=function, module=module, offset=offset, scanned=bool(scanned))
        for function, module, offset, *scanned in item["frames"]
    ]
    return sign_crash(item["signal"], frames, certain=item["certain"], overflowed=item["overflowed"])[0]


@pytest.mark.parametrize("bug", PANICS)
def test_a_panic_is_named_by_who_panicked_with_and_without_debug_information(bug: str) -> None:
    assert key(f"r-{bug}") == key(f"r-{bug}-g") == f"SIGABRT p::{bug}_it > p::main > main"


def test_a_panic_in_nothing_but_rusts_own_crates_has_a_name() -> None:
    frames = [
        NativeFrame(function=name, module="/opt/a")
        for name in ("abort", "std::panicking::rust_panic", "core::slice::index::slice_index_fail")
    ]
    assert sign_crash("SIGABRT", frames)[0] == "SIGABRT core::slice::index::slice_index_fail"


def test_frames_of_the_standard_library_tell_where_nothing_panicked() -> None:
    frames = [
        NativeFrame(function=name, module="/opt/a")
        for name in ("std::vector<int>::at(unsigned long)", "alloc::f", "read")
    ]
    assert sign_crash("SIGSEGV", frames)[0] == "SIGSEGV std::vector::at > alloc::f > read"


def test_a_recursion_within_the_interpreter_has_one_key() -> None:
    runs = [name for name in STACKS if name.startswith("ast-")]
    assert len(runs) == 6
    assert {key(name) for name in runs} == {"SIGSEGV python:ast2obj_expr"}
    assert len({STACKS[name]["frames"][0][0] for name in runs}) == 3, "the stack ended in one function"


def test_a_recursion_that_is_found_by_a_scan_has_one_key_in_each_wheel() -> None:
    assert key("oj11-3") == key("oj12-3") == "SIGSEGV orjson!?"


@pytest.mark.parametrize(
    ("cycle", "named"),
    [
        (["encode", "_PyObject_Call", "PyObject_Str"], "encode"),
        (["_PyEval_EvalFrameDefault", "_PyFunction_Vectorcall"], "python:_PyEval_EvalFrameDefault"),
        (["r_object", "r_ref"], "python:r_object > python:r_ref"),
    ],
)
def test_of_a_recursion_through_the_interpreter_the_other_code_counts(cycle: list[str], named: str) -> None:
    frames = [
        NativeFrame(function=name, module="/opt/a.so" if name == "encode" else PYTHON) for name in cycle * 16
    ]
    assert sign_crash("SIGSEGV", frames, overflowed=True)[0] == f"SIGSEGV {named}"


def test_a_call_through_libffi_has_one_key_with_and_without_its_names() -> None:
    assert {key(name) for name in ("m36", "m37", "p310")} == {"SIGSEGV strlen"}


LIBC, DYNLOAD = "/usr/lib/x86_64-linux-gnu/libc.so.6", "/usr/lib/python3.11/lib-dynload"


@pytest.mark.parametrize(
    ("glibc", "ctypes"),
    [
        (
            ["malloc_printerr", "_int_free", "__GI___libc_free"],
            ["_call_function_pointer", "_ctypes_callproc"],
        ),
        (["malloc_printerr", "_int_free_merge_chunk", "_int_free_chunk"], [None, None]),
    ],
)
def test_a_double_free_through_ctypes_has_one_key(glibc: list[str], ctypes: list[str | None]) -> None:
    """Debian's CPython 3.11 with glibc 2.36; one of 3.12 without symbols, with glibc 2.43."""
    frames = [NativeFrame(function=name, module=LIBC) for name in ("__GI_raise", "__GI_abort", *glibc)]
    frames += [NativeFrame(function=None, module=f"{DYNLOAD}/libffi.so.7", offset=28661)]
    frames += [NativeFrame(function=name, module=f"{DYNLOAD}/_ctypes.so", offset=80454) for name in ctypes]
    assert sign_crash("SIGABRT", frames)[0] == "SIGABRT free"


def test_a_stripped_program_is_named_by_build_id_and_offset() -> None:
    """As Debian's sqlite3, sent SIGSEGV within a query, was read."""
    program, library = "/usr/bin/sqlite3", "/usr/lib/x86_64-linux-gnu/libsqlite3.so.0.8.6"
    frames = with_build(
        [
            NativeFrame(function=None, module=library, offset=170496),
            NativeFrame(function="sqlite3_step", module=library, offset=1),
            NativeFrame(function=None, module=program, offset=131268),
            NativeFrame(function="main", module=program, offset=4),
        ],
        program,
        "a2967b32b2930dba2fe396961439ffa262bc25ee",
    )
    key = "SIGSEGV libsqlite3!? > sqlite3_step > sqlite3@a2967b32b293+0x200c4"
    assert sign_crash("SIGSEGV", frames)[0] == key
    assert sign_crash("SIGSEGV", frames[2:])[0] == "SIGSEGV sqlite3@a2967b32b293+0x200c4 > main"


@pytest.mark.parametrize(
    ("file", "known"),
    [
        ("libpython3.7m.so.1.0", True),
        ("libpython3.6dm.so.1.0", True),
        ("libpython3.13t.so.1.0", True),
        ("libpython3.14td.so.1.0", True),
        ("libpython2.7.so.1.0", True),
        ("libpython3.so", True),
        ("python3.6m", True),
        ("python3.11-dbg", True),
        ("python", True),
        ("libpythonic.so", False),
        ("python3-config", False),
        ("_python3.so", False),
    ],
)
def test_every_build_of_cpython_is_the_interpreter(file: str, known: bool) -> None:
    assert is_interpreter_file(f"/usr/lib/{file}") is known


def test_the_digest_of_a_bundled_library_is_not_in_a_key() -> None:
    frames = [
        NativeFrame(function=None, module=f"/opt/venv/lib/numpy.libs/libfoo-{digest}.so.3", offset=16)
        for digest in ("040039e1", "2f7c42d4")
    ]
    assert {sign_crash("SIGSEGV", [frame])[0] for frame in frames} == {"SIGSEGV libfoo+0x10"}


SITE = "/opt/venv/lib/python3/site-packages"
ELKAN = "_7sklearn_7cluster_14_k_means_elkan"
"""scikit-learn 0.18's k_means_elkan, as cython/cython#1764 shows its stack."""


def named(signal: str, *names: str | None, module: str = f"{SITE}/numpy/_core/_multiarray_umath.so") -> str:
    frames = [NativeFrame(function=name, module=module, offset=7) for name in names]
    return sign_crash(signal, [*frames, NativeFrame(function="PyObject_Call", module=PYTHON)])[0]


def test_the_processor_is_not_in_a_key() -> None:
    """numpy 2.0.2's isfinite of freed memory, as it was read here; and as other processors have its loops."""
    keys = {
        named("SIGSEGV", loop, "generic_wrapped_legacy_loop")
        for loop in (f"DOUBLE_isfinite_{name}" for name in ("SSE41", "AVX512_SKX", "AVX2", "ASIMD"))
    }  # fmt: skip
    assert keys == {"SIGSEGV DOUBLE_isfinite > generic_wrapped_legacy_loop"}


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("DOUBLE_add_FMA3__AVX2", "DOUBLE_add"),
        ("dgemm_kernel_HASWELL", "dgemm_kernel"),
        ("dgemm_kernel_SKYLAKEX", "dgemm_kernel"),
        ("sum.avx2.0", "sum"),
        ("sum.arch_x86_64_v3", "sum"),
        ("shuffle_sse4_2", "shuffle"),
        ("AVX2", "AVX2"),
        ("simd::neon::f", "simd::neon::f"),
        ("save_avx_state", "save_avx_state"),
        ("waves", "waves"),
    ],
)
def test_only_the_instructions_at_the_end_of_a_name_are_left_out(name: str, kept: str) -> None:
    assert named("SIGSEGV", name) == f"SIGSEGV {kept}"


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("__pyx_f_4yaml_5_yaml_7CParser__compose_node", "yaml._yaml.CParser._compose_node"),
        (f"__pyx_pw{ELKAN}_1k_means_elkan", "sklearn.cluster._k_means_elkan.k_means_elkan"),
        (f"__pyx_pf{ELKAN}_k_means_elkan", "sklearn.cluster._k_means_elkan.k_means_elkan"),
        ("__pyx_pw_5numpy_6random_6mtrand_11RandomState_23seed", "numpy.random.mtrand.RandomState.seed"),
        ("__pyx_pf_5numpy_6random_6mtrand_11RandomState_22seed", "numpy.random.mtrand.RandomState.seed"),
        ("__pyx_f_4lxml_5etree_funicode", "lxml.etree.funicode"),
        ("__pyx_f_99short_f", "__pyx_f_99short_f"),
        ("__pyx_f_", "__pyx_f_"),
        ("__pyx_tp_dealloc_4lxml_5etree__ParserContext", "__pyx_tp_dealloc_4lxml_5etree__ParserContext"),
    ],
)  # fmt: skip
def test_a_function_of_cython_has_the_name_of_its_source(name: str, path: str) -> None:
    assert named("SIGSEGV", name) == f"SIGSEGV {path}"


def test_a_function_of_cython_and_its_wrapper_are_one_frame() -> None:
    both = f"__pyx_pf{ELKAN}_k_means_elkan", f"__pyx_pw{ELKAN}_1k_means_elkan"
    assert named("SIGSEGV", *both) == named("SIGSEGV", both[1]) == named("SIGSEGV", both[0])


@given(st.text(st.sampled_from("_fpw0123456789ab"), max_size=24))
def test_no_name_is_lost_that_looks_like_one_of_cython(rest: str) -> None:
    assert normalise(f"__pyx_pw_{rest}")


@pytest.mark.parametrize(
    "inside",
    [
        ["fatal_error_exit", "fatal_error", "_Py_FatalErrorFunc", "take_gil", "PyEval_RestoreThread"],
        ["fatal_error", "_Py_FatalErrorFunc", "take_gil"],
        [None, None, "_Py_FatalErrorFormat", "take_gil"],
    ],
)
def test_a_fatal_error_of_cpython_is_named_by_what_called_it(inside: list[str | None]) -> None:
    frames = [NativeFrame(function=name, module=LIBC) for name in ("__GI_raise", "__GI_abort")]
    frames += [NativeFrame(function=name, module=PYTHON, offset=9) for name in inside]
    assert sign_crash("SIGABRT", frames)[0] == "SIGABRT python:take_gil"


@pytest.mark.parametrize("static", [["fatal_error"], [None], []])
def test_a_fatal_error_that_ctypes_asked_for_has_one_key_with_and_without_static_names(
    static: list[str | None],
) -> None:
    """`ctypes.pythonapi.Py_FatalError`: Debian's CPython 3.11.2 and an archive of 3.12.1 had two keys."""
    frames = [NativeFrame(function=name, module=LIBC) for name in ("__GI_raise", "__GI_abort")]
    frames += [NativeFrame(function=name, module=PYTHON, offset=9) for name in (*static, "Py_FatalError")]
    frames += [NativeFrame(function=None, module=f"{DYNLOAD}/libffi.so.7", offset=28661)]
    assert sign_crash("SIGABRT", frames)[0] == "SIGABRT python:Py_FatalError"


def test_a_crash_within_a_fatal_error_is_named_by_its_own_function() -> None:
    names = ["dump_traceback", "fatal_error", "_Py_FatalErrorFunc", "take_gil"]
    frames = [NativeFrame(function=name, module=PYTHON) for name in names]
    assert sign_crash("SIGSEGV", frames)[0] == "SIGSEGV python:dump_traceback"
