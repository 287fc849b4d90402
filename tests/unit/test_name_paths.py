"""binary.name_paths: one path for a function, whoever wrote its name, by real symbols and by each construct.

tests/data/names.tsv has symbols of pyarrow 16.1.0, grpcio 1.71.2 and of a program of rustc 1.95; what
c++filt 2.40 and llvm-cxxfilt 14 make of each (empty: the same); and the path.
"""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator.binary.cpp_names import group_end, without_result, without_templates
from orchestrator.binary.demangle import demangle
from orchestrator.binary.name_paths import path_of
from orchestrator.crash.signature.names import normalise

SYMBOLS = [
    line.split("\t") for line in (Path(__file__).parents[1] / "data/names.tsv").read_text().splitlines()
]


def test_two_hundred_real_symbols_have_one_path_by_three_demanglers() -> None:
    assert len(SYMBOLS) > 150
    for symbol, gnu, llvm, path in SYMBOLS:
        assert (symbol, *map(normalise, (demangle(symbol), gnu, llvm or gnu))) == (symbol, path, path, path)


def test_a_name_that_gdb_could_not_read_is_read_here() -> None:
    """libiberty 2.40 leaves it as it is: its result is the type of an expression that calls a function."""
    symbol = "_Z1fIiEDTclL_ZN1a1bEvEEET_"
    assert normalise(symbol) == normalise(demangle(symbol)) == "f"


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("A::g() const::{lambda()#1}::operator()() const", "A::g::{lambda}::operator()"),
        ("void A::g<int>(int) const::{lambda(auto:1)#2}::operator()<int>(int)", "A::g::{lambda}::operator()"),
        ("main::$_0::operator()(int) const", "main::{lambda}::operator()"),
        ("arrow::Status (*ns::Gen<A, B>(int))(C)", "ns::Gen"),
        ("std::enable_if<is_base_of<A, B>::value&&((sizeof (B))<=(4)), C>::type n::G<B>::f<B>(B)", "n::G::f"),
        ("decltype(auto) f<int>(int)", "f"),
        ("auto f<int>(int)::{lambda(auto:1&&)#1}::operator()<int>(int) const", "f::{lambda}::operator()"),
        ("x::operator bool() const", "x::operator bool"),
        ("std::ostream& operator<< <char>(std::ostream&, char)", "operator<<"),
        ("a::operator-><int>()", "a::operator->"),
        ("core::ops::FnOnce::call_once{{vtable.shim}}", "core::ops::FnOnce::call_once{vtable.shim}"),
        ("<a::Vec<T,A> as core::ops::Drop>::drop", "<a::Vec as core::ops::Drop>::drop"),
        ("_<T as x::Y>::z", "_::z"),
        ("foo(int) [clone .part.0] [clone .constprop.1]", "foo"),
        ("f[abi:cxx11](int)", "f"),
        ("(anonymous namespace)::f(int)", "(anonymous namespace)::f"),
        ("A::A<int>(int)", "A::A"),
        ("A<int>::~A()", "A::~A"),
        ("int ns::(anonymous namespace)::h<3>(int (&) [3])", "ns::(anonymous namespace)::h"),
        ("std::function<void (int)>::operator()(int) const", "std::function::operator()"),
        ("void (anonymous namespace)::k<(E)1>()", "(anonymous namespace)::k"),
        ("non-virtual thunk to A::f(int)", "A::f"),
        ("int (*f(int))[3]", "f"),
        ("f<&(g(int))>(int)", "f"),
        ("foo(std::function<void (int)>)::'lambda'(int)::operator()(int) const", "foo::{lambda}::operator()"),
        ("foo()::'lambda0'()::operator()() const", "foo::{lambda}::operator()"),
        ("operator new(unsigned long)", "operator new"),
        ("operator delete[](void*)", "operator delete[]"),
        ("A::operator std::string[abi:cxx11]() const", "A::operator std::string"),
        ("A::operator int*()", "A::operator int*"),
        ("void ns::T<void (*)(int)>::r<int>(int)", "ns::T::r"),
        ("requires_<int>::f() requires C<int>", "requires_::f"),
        ("f<int>(int) requires std::is_same<int, int>", "f"),
        ("A::f(this A const&)", "A::f"),
        ("A@mod::f(int)", "A@mod::f"),
        ("runtime.(*mheap).alloc", "runtime.(*mheap).alloc"),
        ("main.(*T).Method-fm", "main.(*T).Method-fm"),
        ("main.Map[go.shape.int]", "main.Map[go.shape.int]"),
        ("<p::Foo<i32>>::m", "p::Foo::m"),
        ("p::Foo<T>::m", "p::Foo::m"),
        ("<[T] as p::Tr>::f", "<[T] as p::Tr>::f"),
        ("p::f::<i32>", "p::f"),
        ("core::num::<impl core::Debug for u32>::fmt", "core::num::<impl core::Debug for u32>::fmt"),
        ("f(", "f("),
        ("f<", "f<"),
        ("f)", "f)"),
        ("", ""),
    ],
)  # fmt: skip
def test_each_construct(name: str, path: str) -> None:
    assert path_of(name) == path


def test_two_lambdas_of_two_methods_differ() -> None:
    """Once, all lambdas in const member functions were `const::{lambda}::operator()`."""
    names = {path_of(f"A::{name}() const::{{lambda()#1}}::operator()() const") for name in "fg"}
    assert names == {"A::f::{lambda}::operator()", "A::g::{lambda}::operator()"}


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("<a>b", 3),
        ("<a<b> >c", 7),
        ("<(a)<(b)>c", 9),
        ("<((a)>(b))>c", 11),
        ("<((a)>>(b))>c", 12),
        ("<(a)<=(b)>c", 10),
        ("<void (*)(int)>(x)", 15),
        ("<&A::operator<>c", 15),
        ("<fn() -> u8>c", 12),
        ("(a]", None),
        ("<a", None),
    ],
)
def test_brackets_are_told_from_operators(name: str, end: int | None) -> None:
    assert group_end(name, 0) == end


@given(st.text(alphabet="ab:<>()[]{} *&'-=$_operatconst,", max_size=200))
@example("operator" * 20)
def test_any_text_has_a_path(text: str) -> None:
    for read in (path_of, without_result, without_templates):
        assert isinstance(read(text), str)


@pytest.mark.parametrize("part", ["<", "(", "a<", "operator<", "{", " (*", "::<", "a()::", " const"])
def test_long_names_end(part: str) -> None:
    for text in (part * 3000, part * 3000 + ">)}" * 3000, "<" * 3000 + ">" * 3000):
        assert path_of(text)
