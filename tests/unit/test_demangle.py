"""binary.demangle: names as people write them, and names that would never end."""

import time

import pytest

from orchestrator.binary.demangle import demangle


@pytest.mark.parametrize(
    ("mangled", "name"),
    [
        ("main", "main"),
        ("__libc_start_main@@GLIBC_2.34", "__libc_start_main"),
        ("_ZSt9terminatev", "std::terminate"),
        ("_ZN3foo3barEi", "foo::bar"),
        ("_ZN4core9panicking9panic_fmt17h0123456789abcdefE", "core::panicking::panic_fmt"),
        ("_ZN5alloc4sync16Arc$LT$T$C$A$GT$9drop_slow17h0123456789abcdefE",
         "alloc::sync::Arc<T,A>::drop_slow"),
        ("_RNvCskwGfYPst2Cb_3foo16example_function", "foo::example_function"),
        ("_ZN2ns4tmplIPFiicEEEvT_", "ns::tmpl<int (*)(int, char)>"),
        ("_ZN2ns4tmplIPFiicEEEvT_.constprop.0", "ns::tmpl<int (*)(int, char)> [clone .constprop.0]"),
        ("_ZZ5localvEN1L1mEi", "local()::L::m"),
        ("_ZZ3lamvENKUliE_clEi", "lam()::{lambda(int)#1}::operator()"),
        ("_ZNK2ns3BoxIlLi3EEcvbEv", "ns::Box<long, 3>::operator bool"),
        ("_ZN3BoxC2Ev", "Box::Box"),
        ("_Zli3_kmy", 'operator"" _km'),
        ("_ZThn8_N2ns1D1vEi", "non-virtual thunk to ns::D::v"),
        ("_ZTISt13runtime_error", "typeinfo for std::runtime_error"),
        ("_Z", "_Z"),
        ("_ZN", "_ZN"),
        ("_R", "_R"),
    ],
)  # fmt: skip
def test_names(mangled: str, name: str) -> None:
    assert demangle(mangled) == name


def back(number: int) -> str:
    """A reference to the part of that number (Itanium C++ ABI, 5.1.10)."""
    return f"S{'' if number == 0 else '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ'[number - 1]}_"


def doubling(times: int) -> str:
    return "_Z1fI" + "".join(f"1aI{back(number) * 2}E" for number in range(times)) + "Ev"


@pytest.mark.parametrize(
    "bomb",
    [doubling(20), doubling(36), "_Z1f" + "P" * 990, "_RNvC1a" + "TB_B_E" * 60, "_R" + "I" * 1000],
    ids=["20", "36", "pointers", "rust", "nested"],
)
def test_bombs_end_at_once(bomb: str) -> None:
    begin = time.process_time()
    assert len(demangle(bomb)) <= 64 * len(bomb)
    assert time.process_time() - begin < 1
